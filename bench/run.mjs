/**
 * npm run bench [-- name …] [--list] [--quick] [--dir folder]
 *
 * Runs the benches by name, or all of them, prints one table each and keeps every figure in bench/results. A
 * missed target is a row that says "no"; only a bench that breaks makes the exit code 1.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './harness/machine.mjs';
import { keep, table } from './harness/report.mjs';
import { scoped } from './harness/scoped.mjs';
import { python } from './peers/setup.mjs';

const names = [
  'product-4096',
  'whole-way-4096',
  'json-ingest-4000',
  'npy-10000',
  'json-10000',
  'random-20000',
  'small-100',
  'door-b',
  'burst-1000',
  'burst-500',
  'convert',
  'convert-busy',
  'predict',
  'submits',
  'submit-run',
  'drain',
  'latency',
  'history',
  'rss',
  'cluster-drain',
  'cluster-submits',
  'cluster-latency',
  'cluster-burst',
  'cluster-crash',
  'cluster-1000',
  'cluster-10000',
];

const { values: options, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    // Not the system's temp folder: where that lies in memory, a copy costs nothing and 20 GB do not fit.
    dir: {
      type: 'string',
      default: fileURLToPath(new URL('../node_modules/.cache/dray-bench', import.meta.url)),
    },
  },
});

const unknown = chosen.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`No such bench: ${unknown.join(', ')}. There are: ${names.join(', ')}`);
  process.exit(2);
}
const load = async (name) => (await import(`./${name}.mjs`)).default;

if (options.list) {
  for (const name of names) console.log(`${name.padEnd(18)}${(await load(name)).target}`);
} else {
  process.exitCode = await runAll(chosen.length > 0 ? chosen : names);
}

async function runAll(list) {
  let broken = 0;
  for (const name of list) {
    try {
      await runOne(name);
    } catch (error) {
      broken++;
      console.error(`${name} broke: ${error.stack}\n`);
    }
  }
  return broken > 0 ? 1 : 0;
}

async function runOne(name) {
  const bench = await load(name);
  mkdirSync(options.dir, { recursive: true });
  let cleanUp;
  const interrupted = (signal) => void cleanUp?.().then(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    console.log(
      `\n${name}: ${bench.target}${options.quick ? ' [--quick: smaller, no verdict on the target]' : ''}`,
    );
    const before = machine();
    const started = performance.now();
    const whole = { scratch: options.dir, defer: (end) => (cleanUp = end) };
    const rows = await scoped(whole, name, (scope) =>
      bench.run({ ...scope, quick: options.quick, log: (text) => console.log(`  ${text}`), python }),
    );
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    console.log(table(rows, options.quick));
    if (!options.quick) keep({ name, target: bench.target, machine: before, seconds, rows });
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}
