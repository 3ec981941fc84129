/** The job type `echo`: gives back its input. */
import { Type } from 'typebox';
import { defineTask } from './task.js';

export const echo = defineTask({
  type: 'echo',
  description: 'Gives back its input.',
  input: Type.Unknown(),
  output: Type.Unknown(),
  run: (input) => Promise.resolve(input),
});
