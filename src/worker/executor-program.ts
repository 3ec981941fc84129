/**
 * The executor's side: runs one task at a time, in the order in which the channel brings them, and says how each
 * ended. This is the whole program of the child process; compose/executor.ts gives it the tasks and the blob store.
 */
import { stopped } from '../tasks/stopped.js';
import type { FromExecutor, RunMessage, RunReport, ToExecutor } from './protocol.js';
import { runTask, type TaskHost } from './run-task.js';

export interface ExecutorChannel {
  onMessage(listener: (message: ToExecutor) => void): void;
  send(message: FromExecutor): void;
}

/** After this long without a look at the channel, in ms, the next run waits for one: it may have been stopped. */
const lookMs = 5;

export function serveExecutor(host: TaskHost, channel: ExecutorChannel): void {
  const waiting: RunMessage[] = [];
  let current: { readonly run: number; readonly abort: AbortController } | undefined;
  let threads = 1;
  const runAll = async (): Promise<void> => {
    let lookedAt = host.clock.monotonic();
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { run } = next;
      const abort = new AbortController();
      current = { run, abort };
      const say = (report: RunReport): void => channel.send({ ...report, run });
      const began = host.clock.monotonic();
      const end = await runTask(host, next, { signal: () => abort.signal, threads: () => threads, say });
      const ended = host.clock.monotonic();
      // At once and by itself: should the next run kill the process, it must be known whose fault that was.
      say({ ...end, ms: ended - began });
      if (ended - lookedAt < lookMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      lookedAt = host.clock.monotonic();
    }
    current = undefined;
  };
  channel.onMessage((message) => {
    switch (message.kind) {
      case 'run':
        waiting.push(...message.runs);
        threads = message.runs.at(-1)?.threads ?? threads;
        if (!current) void runAll();
        break;
      case 'stop': {
        const { run, reason } = message;
        if (current?.run === run) current.abort.abort(stopped(reason));
        const place = waiting.findIndex((other) => other.run === run);
        if (place >= 0) channel.send({ kind: 'dropped', run: waiting.splice(place, 1)[0]!.run });
        break;
      }
      case 'threads':
        threads = message.threads;
        break;
    }
  });
  channel.send({ kind: 'ready' });
}
