/** What a bench asks of the processes that it starts. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startProcess } from '../../scripts/services/process.mjs';

export { freePort, ready, startProcess } from '../../scripts/services/process.mjs';

/** A process that answers each line it is sent with one line of JSON. */
export function startAnswerer({ name, command, args, env, cwd, log }) {
  const service = startProcess({ name, command, args, env, cwd, log, stdout: 'pipe' });
  const lines = createInterface({ input: service.child.stdout })[Symbol.asyncIterator]();
  return {
    ...service,
    pid: service.pid,
    async ask(line) {
      service.child.stdin.write(`${line}\n`);
      const answer = await lines.next();
      if (answer.done) service.fail(`ended (${await service.exited})`);
      return JSON.parse(answer.value);
    },
  };
}

/** The largest resident set that the process has had, in bytes. Linux only. */
export const peakMemory = (pid) => memory(pid, 'VmHWM');

/** The resident set of the process now, in bytes. Linux only. */
export const residentMemory = (pid) => memory(pid, 'VmRSS');

function memory(pid, field) {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line[1]) * 1024;
}
