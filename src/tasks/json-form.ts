import type { Representation } from './task.js';

/** The form of a value that is small enough to be held: its JSON. */
export function jsonForm(value: unknown): Representation {
  return {
    mediaType: 'application/json',
    // eslint-disable-next-line @typescript-eslint/require-await -- the seam is a stream
    async *stream() {
      yield JSON.stringify(value);
    },
  };
}
