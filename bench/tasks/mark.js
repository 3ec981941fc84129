/** Writes down when each of its attempts has begun, then takes its time: for what happens to a job whose worker dies. */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { defineTask } from 'dray/task';
import Type from 'typebox';

export default defineTask({
  type: 'mark',
  description: 'Adds a line with the moment to a file, then waits.',
  input: Type.Object({ file: Type.String(), seconds: Type.Number() }),
  output: Type.Null(),
  async run({ file, seconds }, { signal }) {
    appendFileSync(file, `${Date.now()}\n`);
    await delay(seconds * 1000, undefined, { signal });
    return null;
  },
});
