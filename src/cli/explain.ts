/** `dray jobs explain`: why a job is where it is, in sentences and a table of its attempts. */
import type { Explanation } from '../contract/explanation.js';
import { formatBytes, formatDuration, shorten } from './format.js';
import { grid, type Look } from './table.js';

export function explanationText(explanation: Explanation, look: Look): string {
  const { id, type, status, reasons, expectedStart, next, attempts } = explanation;
  const lines = [
    look.paint('bold', `job ${id} (${type}) is ${status}`),
    ...reasons.map(({ message }) => `- ${message}`),
  ];
  if (expectedStart) {
    const inMs = Date.parse(expectedStart.at) - look.now;
    const about = expectedStart.kind === 'earliest' ? 'at the earliest' : 'about';
    const when = inMs <= 0 ? 'now' : `${expectedStart.at}, in ${formatDuration(inMs)}`;
    lines.push(`expected start, ${about}: ${when} (${expectedStart.basis})`);
  }
  if (next !== undefined) lines.push(`→ ${next}`);
  if (attempts.length > 0) lines.push('', attemptsTable(attempts, look));
  return lines.join('\n');
}

function attemptsTable(attempts: Explanation['attempts'], look: Look): string {
  const heads = ['ATTEMPT', 'WORKER', 'OUTCOME', 'TOOK', 'MEMORY', 'ERROR'];
  return grid([
    heads.map((head) => look.paint('bold', head)),
    ...attempts.map(({ attempt, worker, outcome, durationMs, peakMemory, error }) => [
      String(attempt),
      worker,
      outcome,
      formatDuration(durationMs),
      peakMemory === undefined ? '' : formatBytes(peakMemory),
      error ? shorten(`${error.code}: ${error.message}`, Math.max(12, look.width - worker.length - 46)) : '',
    ]),
  ]);
}
