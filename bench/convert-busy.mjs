/**
 * What do 100 locust users feel of it that matrix jobs keep every executor busy? The p99 of /convert/, against what it
 * is without jobs, in turn on one server.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDray } from './harness/dray.mjs';
import { alternate, compare, information } from './harness/figures.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const locust = join(root, '.venv/bin/locust');
/** More than the executors of any machine here work off in a run. */
const jobs = 200;
const matrix = (seed) => ({ random: { rows: 3000, cols: 3000, seed } });

export default {
  name: 'convert-busy',
  target: 'p99 of /convert/ with 100 locust users and every executor busy: at most 3 × what it is idle',
  async run(ctx) {
    if (!existsSync(locust)) throw new Error('locust is missing: node scripts/setup.mjs --python');
    const dray = await startDray(ctx);
    const seconds = ctx.quick ? 5 : 30;
    const load = async () => {
      const csv = join(ctx.scratch, 'run');
      await promisify(execFile)(
        locust,
        [
          ...['-f', join(root, 'loadtest/locustfile.py'), 'ConvertUser', '-H', dray.url, '--headless'],
          // With one process the users would mostly wait for each other, and not for the server.
          ...['--processes', '2', '-u', '100', '-r', '100', '-t', `${seconds}s`],
          ...['--only-summary', '--csv', csv],
        ],
        { env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } },
      );
      return figuresIn(readFileSync(`${csv}_stats.csv`, 'utf8'));
    };
    await load(); // the first one warms up
    const runs = await alternate(ctx.quick ? 1 : 5, {
      idle: load,
      busy: async () => {
        await submit(dray.url);
        await until(dray.url, ({ busy, waiting }) => busy && waiting > 0);
        const figures = await load();
        const { busy, waiting } = await standing(dray.url);
        if (!busy || waiting === 0)
          throw new Error('the jobs were over before the load was: too few of them');
        await cancelAll(dray.url);
        await until(dray.url, (now) => !now.working);
        return figures;
      },
    });
    const against = (what, unit, of, target) =>
      compare({ what, unit, ours: runs.busy.map(of), peer: runs.idle.map(of), ...target });
    return [
      against('/convert/ p99, busy; peer: idle', 'ms', (run) => run.p99, { atMost: 3 }),
      against('/convert/ p50, busy; peer: idle', 'ms', (run) => run.p50),
      against('answers, busy; peer: idle', 'requests/s', (run) => run.rate),
      information({ what: 'failed requests', unit: '', values: runs.busy.map((run) => run.failures) }),
    ];
  },
};

/** Of locust's statistics, the line that sums them up. 0 ms is what locust makes of less than half of one. */
function figuresIn(csv) {
  const [head, ...lines] = csv
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  const total = lines.find((line) => line[head.indexOf('Name')] === 'Aggregated');
  const of = (name) => Number(total[head.indexOf(name)]);
  return {
    p50: Math.max(1, of('50%')),
    p99: Math.max(1, of('99%')),
    rate: of('Requests/s'),
    failures: of('Failure Count'),
  };
}

async function submit(url) {
  const batch = Array.from({ length: jobs }, (_, seed) => ({
    type: 'matmul',
    input: { a: matrix(seed), b: matrix(seed) },
    labels: { bench: 'convert-busy' },
  }));
  await asked(url, '/v1/jobs/batch', { jobs: batch });
}

async function cancelAll(url) {
  await asked(url, '/v1/jobs/cancel', { label: 'bench=convert-busy' });
}

async function standing(url) {
  const { workers } = await asked(url, '/v1/workers');
  const executors = workers.flatMap((worker) => worker.executors);
  const { jobs: pending } = await asked(url, '/v1/jobs?status=pending&limit=1');
  const working = executors.some(({ job }) => job !== undefined);
  return {
    busy: executors.length > 0 && executors.every(({ job }) => job !== undefined),
    working,
    waiting: pending.length,
  };
}

async function until(url, holds) {
  while (!holds(await standing(url))) await new Promise((resolve) => setTimeout(resolve, 200));
}

async function asked(url, path, body) {
  const answer = await fetch(url + path, {
    ...(body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
