/**
 * What must hold of the records in Redis, read from the keys themselves. Each answer of Redis is of one moment, so that
 * processes may go on meanwhile.
 */
import type { InvariantReport } from '../../jobs/invariants.js';
import type { Log } from '../../log.js';
import { Findings } from '../job-invariants.js';
import { readRecord, type RecordFields } from './records.js';
import { RedisLink } from './redis.js';

/** One script holds up all others. */
const atOnce = 100;
const scanned = 1_000;
/** What the names of indexes begin with, whose members are ids of jobs. */
const indexes = /^(index|ready|held|key|label|uses):|^(leases|scheduled|finished)$/;

/**
 * @param state redis:// or rediss:// address.
 * @param hasBlob true where the blob is there as it was written.
 * @throws DrayError `invalid-request` where Redis refuses us, `unavailable` where it is away.
 */
export async function checkInvariants(params: {
  state: string;
  prefix?: string;
  log: Log;
  hasBlob: (id: string) => Promise<boolean>;
}): Promise<InvariantReport> {
  const { prefix = 'dray', log, hasBlob } = params;
  const link = await RedisLink.open({
    url: params.state,
    prefix: `${prefix}:`,
    name: 'dray doctor',
    log,
    time: () => '',
  });
  try {
    const found = new Findings();
    const [jobs, completions, wrong] = (await ask(link, 'check-counts', {})) as [number, number, string[]];
    for (const detail of wrong) found.add({ invariant: 'counts', detail });
    for await (const names of pages(link)) {
      const ids = names.flatMap((name) => (name.startsWith('job:') ? [name.slice('job:'.length)] : []));
      for (let from = 0; from < ids.length; from += atOnce)
        await checkJobs(link, ids.slice(from, from + atOnce), found, hasBlob);
      for (const name of names) if (indexes.test(name)) await checkSet(link, name, found);
    }
    return { jobs, completions, ...found.report() };
  } finally {
    link.close();
  }
}

async function ask(
  link: RedisLink,
  name: Parameters<RedisLink['call']>[0],
  request: object,
): Promise<unknown> {
  const [, results] = await link.call(name, [request]);
  return results[0];
}

/** The names of all keys, without the prefix. */
async function* pages(link: RedisLink): AsyncGenerator<readonly string[]> {
  const pattern = `${link.prefix.replaceAll(/[\\*?[\]]/g, '\\$&')}*`;
  for (let cursor = ''; cursor !== '0';) {
    const from = cursor === '' ? '0' : cursor;
    const [next, names] = await link.use((redis) => redis.scan(from, 'MATCH', pattern, 'COUNT', scanned));
    yield names.map((name) => name.slice(link.prefix.length));
    cursor = next;
  }
}

async function checkJobs(
  link: RedisLink,
  ids: readonly string[],
  found: Findings,
  hasBlob: (id: string) => Promise<boolean>,
): Promise<void> {
  const seen = (await ask(link, 'check-jobs', { ids })) as [RecordFields, string, string[]][];
  for (const [fields, blobs, differences] of seen) {
    const { job, token } = readRecord(fields);
    for (let at = 0; at < differences.length; at += 2)
      found.add({ invariant: differences[at]!, job: job.id, detail: differences[at + 1]! });
    await found.look({ job, token, uses: JSON.parse(blobs) as string[] }, hasBlob);
  }
}

async function checkSet(link: RedisLink, name: string, found: Findings): Promise<void> {
  for (let cursor = ''; cursor !== '0';) {
    const request = { name, cursor: cursor === '' ? '0' : cursor };
    const [next, gone] = (await ask(link, 'check-set', request)) as [string, string[]];
    for (const job of gone) found.add({ invariant: 'indexes', job, detail: `is gone, and is in ${name}` });
    cursor = next;
  }
}
