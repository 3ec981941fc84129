/** A RabbitMQ of one's own, for tests that block, freeze or kill it. Each test has a virtual host of its own in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rabbitPrograms, startRabbit } from '../../scripts/services/rabbitmq.mjs';

/** False where this machine has none: its tests are skipped, which the last line counts; in CI it is a failure. */
export const rabbitIsHere: boolean = (() => {
  try {
    rabbitPrograms();
    return true;
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error;
    return false;
  }
})();

export class OwnRabbit {
  readonly #folder: string;
  #server: Awaited<ReturnType<typeof startRabbit>>;
  #vhosts = 0;

  static async start(): Promise<OwnRabbit> {
    const folder = mkdtempSync(join(tmpdir(), 'dray-rabbit-'));
    return new OwnRabbit(folder, await startRabbit({ folder }));
  }

  private constructor(folder: string, server: Awaited<ReturnType<typeof startRabbit>>) {
    this.#folder = folder;
    this.#server = server;
  }

  get url(): string {
    return this.#server.url;
  }

  /** A new virtual host's address. */
  vhost(): Promise<string> {
    this.#vhosts += 1;
    return this.#server.addVhost(`test-${this.#vhosts}`);
  }

  /** Runs rabbitmqctl. */
  control(...args: string[]): Promise<string> {
    return this.#server.control(...args);
  }

  /** kill -9. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts it again with what it had, where it was. */
  async restart(): Promise<void> {
    this.#server = await startRabbit({ folder: this.#folder, port: this.#server.port });
  }

  freeze(): void {
    process.kill(this.#server.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.#server.pid, 'SIGCONT');
  }

  async remove(): Promise<void> {
    await this.#server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
