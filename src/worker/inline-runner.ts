/**
 * Runs tasks that declare themselves inline, in the worker's own process: for light work that mostly waits. Nothing
 * can stop such a task by force. One that goes on after the grace period is given up: its slot is free again, and
 * what it still gives is thrown away.
 */
import { stopped } from '../tasks/stopped.js';
import type { RunRequest } from './protocol.js';
import { runTask, type TaskHost } from './run-task.js';
import { pass, Stop, type Runner, type RunObserver, type RunOutcome } from './runner.js';

export class InlineRunner implements Runner {
  readonly usable = true;
  readonly queues = false;
  readonly view = undefined;
  readonly #host: TaskHost;
  readonly #graceMs: number;

  /** @param params.graceMs how long an aborted run may take to end by itself. */
  constructor(params: { host: TaskHost; graceMs: number }) {
    this.#host = params.host;
    this.#graceMs = params.graceMs;
  }

  run(request: RunRequest, observer: RunObserver): Promise<RunOutcome> {
    const { stop: asked, onStart, log } = observer;
    const { clock } = this.#host;
    const signal = new LazySignal();
    const givenUp = new Stop();
    return new Promise((resolve) => {
      let cancelGrace = (): void => undefined;
      const giveUp = (): void => {
        const message = `the task went on for ${this.#graceMs} ms after it was told to stop, and was given up`;
        log().warn(message);
        givenUp.stop('surplus');
        end({ kind: 'failed', failure: { code: 'task-failed', message, permanent: false } });
      };
      const end = (outcome: RunOutcome): void => {
        cancelGrace();
        asked.listen(undefined);
        resolve(outcome);
      };
      onStart();
      asked.listen(() => {
        cancelGrace = clock.after(this.#graceMs, giveUp);
        signal.abort(stopped(asked.reason!));
      });
      const run = runTask(this.#host, request, {
        signal: () => signal.get(),
        threads: () => 1,
        say: (news) => pass(news, observer),
        givenUp,
      });
      void run.then(end);
    });
  }

  setThreads(): void {
    // A task has the one thread that all share.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Made when it is asked for: few tasks of those that are over at once look at it, and it costs more than they do. */
class LazySignal {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
