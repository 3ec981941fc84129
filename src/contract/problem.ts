/** RFC 9457 problem details: the shape of every error that `/v1` answers. */
import { Type, type Static } from 'typebox';

export const Problem = Type.Object(
  {
    type: Type.String({
      description: 'A name for the kind of error, urn:dray:error:<code>; docs/errors.md explains each code.',
    }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; see docs/errors.md.' }),
    detail: Type.String({ description: 'What was wrong, where, and what to do.' }),
    field: Type.Optional(Type.String({ description: 'The field to blame, such as input.a.' })),
    requestId: Type.Optional(Type.String()),
  },
  { $id: 'Problem' },
);
export type Problem = Static<typeof Problem>;
