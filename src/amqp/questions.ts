/** Questions to RabbitMQ, on channels where a refusal harms nobody else: RabbitMQ ends the channel of a refused request. */
import type { Channel } from 'amqplib';
import { DrayError } from '../jobs/errors.js';
import { closeQuietly, type Link } from './link.js';

/** A channel for questions, and whether it still stands. */
interface Line {
  readonly channel: Channel;
  open: boolean;
}

export class Questions {
  #link: Link | undefined;
  #spare: Line | undefined;

  connected(link: Link): void {
    this.#link = link;
  }

  /**
   * Runs `work` on a channel of its own.
   * @throws DrayError `unavailable` where RabbitMQ is away or does not answer in time; what it says where it refuses.
   */
  async ask<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const link = this.#link;
    if (!link) throw new DrayError('unavailable', 'RabbitMQ has not been reached yet.');
    const line = this.#spare ?? this.#watched(await link.channel());
    if (line === this.#spare) this.#spare = undefined;
    try {
      const answer = await link.answer(work(line.channel));
      if (line.open && !this.#spare) this.#spare = line;
      else await closeQuietly(line.channel);
      return answer;
    } catch (error) {
      void closeQuietly(line.channel);
      throw error;
    }
  }

  #watched(channel: Channel): Line {
    const line = { channel, open: true };
    channel.once('close', () => {
      line.open = false;
      if (this.#spare === line) this.#spare = undefined;
    });
    return line;
  }
}
