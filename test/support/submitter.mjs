// Submits jobs to the engine as fast as they are answered, and writes the id of each answered one, until it is
// killed. Arguments: the database file, and how many of the first jobs to lease and keep.
import { openSqliteEngine } from '../../dist/engine/sqlite/index.js';
import { systemClock as clock } from '../../dist/clock.js';

const [file, leased] = [process.argv[2], Number(process.argv[3])];
const engine = await openSqliteEngine({ file, clock });
const retry = { attempts: 2, baseMs: 1, factor: 2, capMs: 1 };

const submit = async () => {
  const id = clock.id();
  await engine.submit({
    jobs: [
      {
        id,
        type: 'echo',
        input: { inline: { id } },
        retry,
        timeoutMs: 1_000,
        work: 1,
        priority: 'normal',
        labels: {},
        blobs: [],
      },
    ],
  });
  process.stdout.write(`${id}\n`);
};

for (let index = 0; index < leased; index++) await submit();
const signal = new AbortController().signal;
await engine.claim({ worker: 'doomed', types: ['echo'], max: leased, leaseMs: 3_600_000, signal });
for (;;) await Promise.all(Array.from({ length: 20 }, submit));
