/** What the requests under way take of memory, together: each may be small, and come with thousands of others. */
import { DrayError } from '../jobs/errors.js';

/** What one request has taken. */
export interface Share {
  /** @throws DrayError `queue-full` where so many bytes are not left; what was taken before stays taken. */
  take(bytes: number): void;
  /** All of it. To be called once, whatever became of the request. */
  giveBack(): void;
}

export class Memory {
  #left: number;

  /** @param bytes for all requests. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  share(): Share {
    let taken = 0;
    return {
      take: (bytes) => {
        if (bytes > this.#left) {
          throw new DrayError(
            'queue-full',
            'the requests under way take all the memory that they may; try again later',
          );
        }
        this.#left -= bytes;
        taken += bytes;
      },
      giveBack: () => {
        this.#left += taken;
        taken = 0;
      },
    };
  }
}
