/** Checks paths and queries by their schemas before a route sees them. */
import type { FastifySchemaCompiler } from 'fastify';
import { Compile } from 'typebox/compile';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** Bodies and headers are only documented by their schemas: their routes check them as they read them. */
export const validator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'body' || httpPart === 'headers') return () => true;
  const compiled = Compile(schema);
  return (value: unknown) => {
    if (compiled.Check(value)) return true;
    const converted = Value.Convert(schema, value); // numbers and flags arrive as text
    return compiled.Check(converted) ? { value: converted } : { error: compiled.Errors(converted) };
  };
};
