/** What a schema has against a value, in words for whoever sent it. */

interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly message?: string;
  readonly params: object;
}

/**
 * The first error. Of a choice of constants it names them all, where a schema's own words only say that the value is
 * not the first of them.
 *
 * @returns `path` as "retry.attempts", empty for the value itself.
 */
export function misfitOf(errors: readonly SchemaError[]): {
  readonly path: string;
  readonly message: string;
} {
  const [first] = errors;
  const unknown = 'does not fit its schema';
  if (!first) return { path: '', message: unknown };
  const { instancePath } = first;
  const path = instancePath.slice(1).replaceAll('/', '.');
  const here = errors.filter((error) => error.instancePath === instancePath);
  const constants = here.filter(({ keyword }) => keyword === 'const');
  // A constant's own branch may have an error of type beside it; any other branch takes more than constants.
  const branches = new Set(constants.map(({ schemaPath }) => schemaPath));
  if (
    branches.size > 0 &&
    here.every((error) => error.keyword === 'anyOf' || branches.has(error.schemaPath))
  ) {
    const allowed = constants.map(({ params }) =>
      JSON.stringify('allowedValue' in params ? params.allowedValue : null),
    );
    return { path, message: `must be ${allowed.join(' or ')}` };
  }
  if (first.keyword === 'format' && 'format' in first.params && first.params.format === 'date-time')
    return { path, message: 'must be a time with a zone, such as 2030-01-31T12:00:00Z' };
  if (first.keyword === 'boolean') return { path, message: 'is not known' }; // no other keys are taken here
  return { path, message: first.message ?? unknown };
}
