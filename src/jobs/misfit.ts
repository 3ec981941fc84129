/** What to tell of a value that does not fit its schema. */

/** The part of TypeBox's errors that is read here. */
interface SchemaError {
  readonly keyword?: string | undefined;
  readonly instancePath?: string | undefined;
  readonly message?: string | undefined;
  readonly params?: unknown;
}

/** What the first of the errors asks for: where there are words to choose from, all of them. */
export function misfitReason(errors: readonly SchemaError[]): string {
  const [first] = errors;
  if (first?.keyword !== 'const') return first?.message ?? 'does not fit its schema';
  const choices = errors
    .filter(({ keyword, instancePath }) => keyword === 'const' && instancePath === first.instancePath)
    .map(({ params }) => JSON.stringify((params as { allowedValue: unknown }).allowedValue));
  return `must be ${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}`;
}
