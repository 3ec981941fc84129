/**
 * node scripts/burst-picture.mjs recording.json [picture.svg]
 *
 * Draws how a pool followed a burst, of a recording that the cluster's tests have made (DRAY_TEST_RECORDINGS). The
 * colours follow the reader's, light or dark.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const stepOf = (span) => [5, 10, 15, 20, 30, 60, 120].find((step) => span / step <= 12) ?? 300;
const niceAbove = (value) =>
  [4, 8, 20, 40, 80, 100, 200, 400, 600, 800, 1_000].find((nice) => nice >= value) ?? value;
const round = (value) => Math.round(value * 10) / 10;

const [, , from, to] = process.argv;
if (from === undefined) {
  console.error('usage: node scripts/burst-picture.mjs recording.json [picture.svg]');
  process.exit(2);
}
const picture = draw(JSON.parse(readFileSync(from, 'utf8')));
if (to === undefined) process.stdout.write(picture);
else writeFileSync(to, picture);

/** @param recording as test/cluster/recordings.ts writes it. */
export function draw(recording) {
  const { columns, rows, jobs, min, max } = recording;
  const column = (name) => rows.map((row) => [row[0], row[columns.indexOf(name)]]);
  const width = 860;
  const [left, right] = [56, 20];
  const seconds = rows.at(-1)[0];
  const start = Math.min(0, rows[0][0]);
  const x = (at) => round(left + ((at - start) / (seconds - start)) * (width - left - right));
  const workers = { top: 64, height: 170, most: max + 1 };
  const queue = {
    top: 292,
    height: 130,
    most: niceAbove(Math.max(...column('waiting').map(([, y]) => y ?? 0))),
  };
  const y = (panel, value) => round(panel.top + panel.height * (1 - value / panel.most));
  const bottom = queue.top + queue.height;

  const step = stepOf(seconds - start);
  const ticks = range(Math.ceil(start / step) * step, seconds, step);
  const gridOf = (panel, values) =>
    values
      .map(
        (value) =>
          `<path class="grid" d="M${left} ${y(panel, value)}H${width - right}"/>` +
          `<text class="axis" x="${left - 8}" y="${y(panel, value) + 4}" text-anchor="end">${value.toLocaleString('en')}</text>`,
      )
      .join('\n');
  const line = (panel, name) => steps(column(name), x, (value) => y(panel, value));
  const area = (panel, name) =>
    closed(
      steps(column(name), x, (value) => y(panel, value)),
      y(panel, 0),
    );

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 48}" font-family="system-ui, sans-serif" font-size="13" role="img">
  <title>${jobs.toLocaleString('en')} jobs within a minute: the workers that there should be, those that take jobs, and the jobs that wait</title>
  <style>
    .page { fill: #ffffff } .title { fill: #0f172a; font-weight: 600 } .axis { fill: #475569 } .grid { stroke: #cbd5e1; fill: none }
    .desired { stroke: #b45309; stroke-width: 2; fill: none; stroke-dasharray: 6 4 }
    .ready { stroke: #0369a1; stroke-width: 2; fill: none } .under { fill: #0ea5e9; fill-opacity: 0.22 }
    .waiting { stroke: #15803d; stroke-width: 2; fill: none } .heap { fill: #22c55e; fill-opacity: 0.22 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0f172a } .title { fill: #f1f5f9 } .axis { fill: #cbd5e1 } .grid { stroke: #334155 }
      .desired { stroke: #fbbf24 } .ready { stroke: #38bdf8 } .waiting { stroke: #4ade80 }
    }
  </style>
  <rect class="page" width="${width}" height="${bottom + 48}" rx="8"/>
  <text class="title" x="${left}" y="28">workers</text>
  ${legend(left + 90, 24, [
    ['ready', 'ready'],
    ['desired', 'wanted by the scaling rule'],
  ])}
  ${gridOf(workers, range(0, max, 1))}
  <path class="under" d="${area(workers, 'ready')}"/>
  <path class="ready" d="${line(workers, 'ready')}"/>
  <path class="desired" d="${line(workers, 'desired')}"/>
  <text class="title" x="${left}" y="${queue.top - 22}">jobs that wait</text>
  ${gridOf(queue, range(0, queue.most, queue.most / 4))}
  <path class="heap" d="${area(queue, 'waiting')}"/>
  <path class="waiting" d="${line(queue, 'waiting')}"/>
  ${ticks.map((at) => `<text class="axis" x="${x(at)}" y="${bottom + 20}" text-anchor="middle">${at}</text>`).join('\n  ')}
  <text class="axis" x="${width - right}" y="${bottom + 38}" text-anchor="end">seconds since the first submit</text>
  <text class="axis" x="${left}" y="${bottom + 38}">from ${min} to ${max} workers of ${recording.slots} slots; ${jobs.toLocaleString('en')} jobs of a second</text>
</svg>
`;
}

/** A value holds until the next one; where it is unknown the line has a gap. */
function steps(points, x, y) {
  let path = '';
  let drawn = false;
  for (const [at, value] of points) {
    if (value === null) {
      if (drawn) path += `H${x(at)}`;
      drawn = false;
    } else {
      path += drawn ? `H${x(at)}V${y(value)}` : `M${x(at)} ${y(value)}`;
      drawn = true;
    }
  }
  return path;
}

/** The area below each piece of a line. */
function closed(path, base) {
  return path
    .split(/(?=M)/)
    .map((piece) => {
      const first = /^M(\S+) (\S+?)(?=[HV]|$)/.exec(piece);
      return `M${first[1]} ${base}V${first[2]}${piece.slice(first[0].length)}V${base}Z`;
    })
    .join('');
}

function legend(x, y, entries) {
  let at = x;
  return entries
    .map(([name, text]) => {
      const entry = `<path class="${name}" d="M${at} ${y}h28"/><text class="axis" x="${at + 36}" y="${y + 4}">${text}</text>`;
      at += 60 + 7 * text.length;
      return entry;
    })
    .join('\n  ');
}

function range(first, last, step) {
  return Array.from(
    { length: Math.floor((last - first) / step + 1e-9) + 1 },
    (_, index) => first + index * step,
  );
}
