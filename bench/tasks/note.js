/** A job that does nothing, in the worker's own process: what is left is what handing it out costs. */
import { defineTask } from 'dray/task';
import Type from 'typebox';

export default defineTask({
  type: 'note',
  description: 'Gives back its input.',
  inline: true,
  input: Type.Unknown(),
  output: Type.Unknown(),
  run: (input) => input,
});
