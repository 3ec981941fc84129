/** Looks at the servers and the processes of a deployment, as they are now, and says what to do about what is wrong. */
import type { Redis } from 'ioredis';
import type { BlobStore } from '../blobs/blob-store.js';
import { systemClock } from '../clock.js';
import { parseBlobsAddress } from '../config/blobs-address.js';
import type { Servers } from '../config/read-config.js';
import { openClusterEngine, type ClusterEngine } from '../engine/cluster/index.js';
import { checkInvariants } from '../engine/cluster/invariants.js';
import type { Finding } from '../jobs/diagnosis.js';
import type { InvariantReport } from '../jobs/invariants.js';
import { checkBlobs, openBlobs } from './blobs.js';
import { checkNode } from './diagnosis.js';
import { checkDeadLetters, checkQueues, checkRabbit } from './rabbitmq-checks.js';
import { checkRedis, openForChecks, redisChecks } from './redis-checks.js';
import { findAll, ok, warning, wrong, type Judge, type Verdict } from './verdicts.js';

/** Longer than a controller needs to take over and send again what was not confirmed, in ms. */
const slowOutboxMs = 30_000;
const patienceMs = 3_000;
const silent = { info: () => undefined, warn: () => undefined };

export interface DeploymentPlace extends Servers {
  readonly prefix: string;
}

/** What a process of the deployment needs to start is wrong, and what it would wait for, or do without, is a warning. */
export async function diagnoseServers(servers: Servers): Promise<Finding[]> {
  const redis = openForChecks(servers.state);
  try {
    return await findServers(servers, redis, { outage: warning });
  } finally {
    redis.disconnect();
  }
}

function findServers(
  { queue, state, blobs }: Servers,
  redis: Redis,
  outages: { outage: Judge },
): Promise<Finding[]> {
  return findAll({
    node: checkNode,
    redis: () => checkRedis(redis, state),
    rabbitmq: () => checkRabbit(queue, outages),
    blobs: () => checkStore(blobs, outages),
  });
}

export async function diagnoseDeployment(place: DeploymentPlace): Promise<Finding[]> {
  const redis = openForChecks(place.state);
  try {
    const servers = await findServers(place, redis, { outage: wrong });
    const works = (check: string) => servers.some((one) => one.check === check && one.state !== 'wrong');
    if (!works('redis')) return servers;
    const settings = await findAll(redisChecks(redis));
    // The engine would wait for a RabbitMQ that is away, and be refused by one that refuses us.
    if (!works('rabbitmq')) return [...servers, ...settings];
    return [...servers, ...settings, ...(await findProcesses(place))];
  } finally {
    redis.disconnect();
  }
}

async function findProcesses(place: DeploymentPlace): Promise<Finding[]> {
  const engine = await openClusterEngine({
    ...place,
    process: 'dray doctor',
    clock: systemClock,
    log: silent,
    keepForMs: 0, // it claims nothing
  });
  try {
    return await findAll({
      leader: () => checkLeader(engine),
      workers: () => checkWorkers(engine),
      queues: () => checkQueues({ ...place, engine }),
      outbox: () => checkOutbox(engine),
      'dead letters': () => checkDeadLetters(place),
    });
  } finally {
    await engine.close();
  }
}

/**
 * Puts, reads and removes a small blob.
 * @param outage judges a store that is away or takes nothing now: processes start, and do what needs no blobs.
 */
async function checkStore(address: string, { outage }: { outage: Judge }): Promise<Verdict> {
  const started = systemClock.monotonic();
  let blobs: BlobStore;
  try {
    const place = parseBlobsAddress(address);
    await checkBlobs(place, { clock: systemClock, patienceMs });
    blobs = await openBlobs(place, { clock: systemClock, patienceMs });
  } catch (error) {
    const { message, code, cause } = error as NodeJS.ErrnoException;
    const nowhere = (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOTFOUND';
    const judge = code === 'unavailable' && !nowhere ? outage : wrong;
    return judge(message, 'Correct --blobs, or the rights of its user.');
  }
  try {
    const probe = Buffer.from('dray doctor');
    const writer = await blobs.create({ mediaType: 'application/octet-stream' });
    await writer.write(probe);
    const { id } = await writer.commit();
    const target = Buffer.alloc(probe.length);
    await blobs.readInto({ id, offset: 0, target });
    await blobs.delete({ id });
    if (!target.equals(probe)) return wrong('what was read is not what was written', 'Check the store.');
  } catch (error) {
    return outage((error as Error).message, 'Correct --blobs, or the rights of its user.');
  } finally {
    await blobs.close();
  }
  return ok(`put, read and removed a blob within ${Math.ceil(systemClock.monotonic() - started)} ms`);
}

async function checkLeader({ fleet }: ClusterEngine): Promise<Verdict> {
  const leader = await fleet.leader();
  if (leader !== undefined) return ok(leader);
  return wrong(
    'no controller leads: delayed jobs and retries are not released, lost workers are not noticed',
    'Start one: dray controller.',
  );
}

async function checkWorkers({ fleet }: ClusterEngine): Promise<Verdict> {
  const workers = await fleet.workers();
  if (workers.length === 0) {
    const plans = [...(await fleet.plans()).values()];
    const idle = plans.every((plan) => plan.kind === 'known' && plan.desired === 0);
    return idle ? ok('none, and none is wanted') : wrong('none: no job is run', 'Start one: dray worker.');
  }
  const sum = (of: (worker: (typeof workers)[number]) => number): number =>
    workers.reduce((total, worker) => total + of(worker), 0);
  return ok(`${workers.length}, with ${sum(({ busy }) => busy)} of ${sum(({ slots }) => slots)} slots busy`);
}

async function checkOutbox(engine: ClusterEngine): Promise<Verdict> {
  const { jobs, oldestMs } = (await engine.stats()).outbox;
  if (jobs === 0) return ok('empty');
  const detail = `${jobs} jobs wait for RabbitMQ, the oldest for ${Math.ceil(oldestMs / 1_000)} s`;
  if (oldestMs < slowOutboxMs) return ok(detail);
  return warning(
    detail,
    'See that RabbitMQ takes messages and that a controller leads: it sends them again.',
  );
}

/** @throws DrayError where a server cannot be used. */
export async function checkDeployment(place: DeploymentPlace): Promise<InvariantReport> {
  const blobs = await openBlobs(parseBlobsAddress(place.blobs), { clock: systemClock, patienceMs });
  try {
    return await checkInvariants({
      state: place.state,
      prefix: place.prefix,
      log: silent,
      hasBlob: async (id) => (await blobs.stat({ id })) !== undefined,
    });
  } finally {
    await blobs.close();
  }
}
