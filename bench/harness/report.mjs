/** The printed table, and the figures kept as JSON. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import Table from 'cli-table3';

const results = fileURLToPath(new URL('../results/', import.meta.url));

export function table(rows, quick) {
  const text = new Table({
    head: ['what', 'ours', 'peer', 'ours / peer', 'worst', 'target', 'reached?'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
  });
  for (const row of rows) {
    text.push([
      row.what,
      figure(row.ours, row.unit),
      figure(row.peer, row.unit),
      figure(row.ratio, '×'),
      figure(row.worst, '×'),
      quick ? '' : (row.target ?? ''),
      quick || row.reached === undefined ? '' : row.reached ? 'yes' : 'NO',
    ]);
  }
  return text.toString();
}

function figure(value, unit) {
  if (value === undefined) return '';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

/** One file per run, and `latest.json` with the latest run of each bench. */
export function keep(run) {
  mkdirSync(results, { recursive: true });
  const date = new Date().toISOString();
  const entry = { date, ...run };
  const stamp = date.slice(0, 19).replaceAll(':', '');
  writeJson(join(results, `${stamp}-${run.name}.json`), entry);
  const latest = join(results, 'latest.json');
  const all = existsSync(latest) ? JSON.parse(readFileSync(latest, 'utf8')) : {};
  writeJson(latest, { ...all, [run.name]: entry });
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}
