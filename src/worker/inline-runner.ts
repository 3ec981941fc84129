/**
 * Runs tasks that declare themselves inline, in the worker's own process: for light work that mostly waits. Nothing
 * can stop such a task by force. One that goes on after the grace period is given up: its slot is free again, and
 * what it still gives is thrown away.
 */
import { stopped } from '../tasks/stopped.js';
import type { RunRequest } from './protocol.js';
import { runTask, type TaskHost } from './run-task.js';
import type { Runner, RunObserver, RunOutcome } from './runner.js';

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

  async run(
    request: RunRequest,
    { stop: asked, onStart, onProgress, log }: RunObserver,
  ): Promise<RunOutcome> {
    const { clock } = this.#host;
    const stop = new AbortController();
    const giveUp = new AbortController();
    let cancelGrace = (): void => undefined;
    const abort = (): void => {
      stop.abort(stopped(String(asked.reason)));
      cancelGrace = clock.after(this.#graceMs, () => giveUp.abort());
    };
    onStart();
    asked.listen(abort);
    const lost = new Promise<RunOutcome>((resolve) => {
      giveUp.signal.addEventListener('abort', () => {
        const message = `the task went on for ${this.#graceMs} ms after it was told to stop, and was given up`;
        log().warn(message);
        resolve({ kind: 'failed', failure: { code: 'task-failed', message, permanent: false } });
      });
    });
    try {
      const run = runTask(this.#host, request, {
        signal: stop.signal,
        threads: () => 1,
        say: (news) => {
          if (news.kind === 'progress') onProgress(news.progress);
          else log()[news.level](news.message, news.details);
        },
        givenUp: giveUp.signal,
      });
      return await Promise.race([run, lost]);
    } finally {
      cancelGrace();
      asked.listen(undefined);
    }
  }

  setThreads(): void {
    // A task has the one thread that all share.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
