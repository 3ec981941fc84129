/** What FastAPI says of a query parameter that should be a finite number and is not. */
import { Type, type Static } from 'typebox';

export const Refusal = Type.Object({
  detail: Type.Array(
    Type.Object({
      type: Type.String(),
      loc: Type.Array(Type.String()),
      msg: Type.String(),
      input: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
});
export type Refusal = Static<typeof Refusal>;

const faults = {
  missing: 'Field required',
  float_parsing: 'Input should be a valid number, unable to parse string as a number',
  finite_number: 'Input should be a finite number',
};

/**
 * @param input the parameter's text, where it is there.
 * @param value the number that the text stands for, where it does; see parseNumber.
 */
export function refusalOf(parameter: string, input: string | undefined, value: number | undefined): Refusal {
  const type = input === undefined ? 'missing' : value === undefined ? 'float_parsing' : 'finite_number';
  return { detail: [{ type, loc: ['query', parameter], msg: faults[type], input: input ?? null }] };
}
