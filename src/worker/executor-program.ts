/**
 * The executor's side: takes one run at a time from the channel, runs its task and says how it ended. This is
 * the whole program of the child process; compose/executor.ts gives it the tasks and the blob store.
 */
import { stopped } from '../tasks/stopped.js';
import type { FromExecutor, RunReport, ToExecutor } from './protocol.js';
import { runTask, type TaskHost } from './run-task.js';

export interface ExecutorChannel {
  onMessage(listener: (message: ToExecutor) => void): void;
  send(message: FromExecutor): void;
}

export function serveExecutor(host: TaskHost, channel: ExecutorChannel): void {
  let abort = new AbortController();
  let threads = 1;
  channel.onMessage((message) => {
    switch (message.kind) {
      case 'run': {
        abort = new AbortController();
        threads = message.threads;
        const say = (report: RunReport): void => channel.send({ ...report, run: message.run });
        void runTask(host, message, { signal: abort.signal, threads: () => threads, say }).then(say);
        break;
      }
      case 'abort':
        abort.abort(stopped(message.reason));
        break;
      case 'threads':
        threads = message.threads;
        break;
    }
  });
  channel.send({ kind: 'ready' });
}
