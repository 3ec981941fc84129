/**
 * npm run faults -- [name …] [--seed n] [--quick] [--list]
 *
 * Runs the faults by name, or all of them, one after the other, against the build in dist/. Exits with 1 where a
 * promise was broken.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = dirname(fileURLToPath(import.meta.url));
const cluster = readdirSync(join(folder, 'cluster')).map((file) => `cluster-${file.replace(/\.ts$/, '')}`);
const alone = readdirSync(folder).flatMap((file) => /^(.+)\.test\.ts$/.exec(file)?.[1] ?? []);
const names = [...alone.filter((name) => name !== 'cluster'), ...cluster];

function refuse(message) {
  console.error(
    `${message}\nnpm run faults -- [name …] [--seed n] [--quick] [--list]; names: ${names.join(', ')}`,
  );
  process.exit(2);
}

let given;
try {
  given = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string' }, quick: { type: 'boolean' }, list: { type: 'boolean' } },
  });
} catch (error) {
  refuse(error.message);
}
const { values: options, positionals: chosen } = given;
const unknown = chosen.filter((name) => !names.includes(name));
if (unknown.length > 0) refuse(`There is no fault named ${unknown.join(', ')}.`);
if (options.seed !== undefined && !/^\d{1,10}$/.test(options.seed))
  refuse(`--seed ${options.seed} is no whole number.`);
if (options.list) {
  console.log(names.join('\n'));
  process.exit(0);
}

const wanted = chosen.length > 0 ? chosen : names;
const files = wanted.map((name) => `test/faults/${cluster.includes(name) ? 'cluster' : name}.test.ts`);
const { status } = spawnSync(
  join(folder, '../../node_modules/.bin/vitest'),
  ['run', ...new Set(files), '--no-file-parallelism', '--disable-console-intercept'],
  {
    cwd: join(folder, '../..'),
    stdio: 'inherit',
    env: {
      ...process.env,
      DRAY_FAULTS: options.quick ? 'quick' : 'full',
      DRAY_FAULTS_CHOSEN: wanted.join(),
      ...(options.seed !== undefined && { DRAY_SEED: options.seed }),
    },
  },
);
process.exit(status ?? 1);
