/**
 * Errors in the shape that clients of FastAPI services know: `{"detail": [{"type", "loc", "msg"}]}` with 422 for a
 * body that does not fit, `{"detail": "…"}` for everything else, with the status that the native API has for it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { prepareRefusal } from '../http/problems.js';

export const Misfit = Type.Object({
  detail: Type.Array(
    Type.Object({
      type: Type.String(),
      loc: Type.Array(Type.Union([Type.String(), Type.Integer()]), {
        description: 'Where in the request; rows and columns count from 0.',
      }),
      msg: Type.String(),
    }),
  ),
});
export type Misfit = Static<typeof Misfit>;

export const Detail = Type.Object({ detail: Type.String() });
export type Detail = Static<typeof Detail>;

/** A fault of the body that pydantic has a name for, beyond its `json_invalid` and `value_error`. */
export class BodyFault extends DrayError {
  readonly type: 'missing' | 'extra_forbidden' | 'list_type';

  /** @param field of the body; empty for the body itself. */
  constructor(type: BodyFault['type'], field: string, detail: string) {
    super('invalid-request', detail, field === '' ? {} : { field });
    this.type = type;
  }
}

export function sendDetail(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): FastifyReply {
  const { known, detail } = prepareRefusal(error, request, reply, clock);
  const misfit = isMisfit(known);
  if (misfit) void reply.code(422);
  const document: Misfit | Detail = misfit ? misfitOf(known) : { detail: inDoorWords(detail) };
  return reply.type('application/json').send(JSON.stringify(document));
}

/** What the request's body is to blame for, which the native API answers with 400. */
function isMisfit(error: DrayError): boolean {
  return error.status === 400 && error.code !== 'upload-incomplete';
}

export function misfitOf(error: DrayError): Misfit {
  if (error instanceof BodyFault) {
    // In the door's words already; a name in it is the client's own, even where it is `input.a`.
    const place = error.field === undefined ? [] : [error.field];
    return { detail: [{ type: error.type, loc: ['body', ...place], msg: error.message }] };
  }
  const type = error.code === 'invalid-json' ? 'json_invalid' : 'value_error';
  return { detail: [{ type, loc: ['body', ...placeOf(error)], msg: inDoorWords(error.message) }] };
}

/** Texts about `input.a`, the native API's name, with the name that these clients know. */
export function inDoorWords(text: string): string {
  return text
    .replaceAll(/\binput\.([ab])\b/g, (_, name: string) => name.toUpperCase())
    .replace(/such a matrix as \.npy$/, 'such a matrix as .npy to /v1/jobs');
}

/**
 * The field, and what the text says about the place in it: `row 2, column 3` of a matrix, counted from 1 for
 * people, or `at byte 17` of a body that is not JSON.
 */
function placeOf({ code, field, message }: DrayError): (string | number)[] {
  if (field === undefined || field === 'input') {
    const byte = / at byte (\d+)/.exec(message)?.[1];
    return code === 'invalid-json' && byte !== undefined ? [Number(byte)] : [];
  }
  const place = code === 'invalid-matrix' ? /: row (\d+)(?:, column (\d+))?/.exec(message) : null;
  const indices = (place?.slice(1) ?? []).filter((index) => (index as string | undefined) !== undefined);
  return [inDoorWords(field), ...indices.map((index) => Number(index) - 1)];
}
