/** Checks paths and queries by their schemas before a route sees them. */
import type { FastifySchemaCompiler } from 'fastify';
import { Compile } from 'typebox/compile';
import { IsInteger, IsObject, type TSchema } from 'typebox';

/** Bodies and headers are only documented by their schemas: their routes check them as they read them. */
export const validator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'body' || httpPart === 'headers') return () => true;
  const compiled = Compile(schema);
  return (value: unknown) => {
    if (compiled.Check(value)) return true;
    const converted = withNumbers(schema, value);
    return compiled.Check(converted) ? { value: converted } : { error: compiled.Errors(converted) };
  };
};

/** Numbers arrive as text. What is not plainly one stays as it is: a `1.5` must not become a 1. */
function withNumbers(schema: TSchema, value: unknown): unknown {
  if (!IsObject(schema)) return value;
  const members = Object.entries(value as Readonly<Record<string, unknown>>).map(([name, text]) => {
    const member = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    const isNumber = IsInteger(member) && typeof text === 'string' && /^-?\d{1,15}$/.test(text);
    return [name, isNumber ? Number(text) : text] as const;
  });
  return Object.fromEntries(members);
}
