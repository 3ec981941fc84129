/** What `dray doctor` asks the RabbitMQ of a deployment. */
import { connect, type ChannelModel } from 'amqplib';
import { endConnection } from '../amqp/link.js';
import { systemClock } from '../clock.js';
import { openBroker, type Broker } from '../engine/cluster/broker/broker.js';
import type { ClusterEngine } from '../engine/cluster/index.js';
import type { TypeCounts } from '../engine/engine.js';
import { priorities } from '../jobs/priority.js';
import { withoutPassword } from '../log.js';
import { ok, warning, wrong, type Judge, type Verdict } from './verdicts.js';

const answerMs = 5_000;
/** A connection that publishes while an alarm holds is told so within this time, in ms. */
const alarmMs = 500;

/** @param outage judges a RabbitMQ that is away or takes no messages now: processes start and wait for it. */
export async function checkRabbit(address: string, { outage }: { outage: Judge }): Promise<Verdict> {
  const shown = withoutPassword(address);
  const started = systemClock.monotonic();
  let model: ChannelModel;
  try {
    model = await connect(address, { timeout: answerMs, noDelay: true });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (/ACCESS[_-]REFUSED|403/.test(message))
      return wrong(`${shown}: ${message}`, 'Check user and password in --queue.');
    if (/NOT[_-]ALLOWED|530/.test(message))
      return wrong(
        `${shown}: ${message}`,
        'Make the virtual host and let the user into it: rabbitmqctl add_vhost, set_permissions.',
      );
    const judge = code === 'ENOTFOUND' ? wrong : outage;
    return judge(`${shown}: ${message}`, 'Start it, let this machine reach it, or correct --queue.');
  }
  model.on('error', () => undefined); // a socket that is given up ends with one
  try {
    const { version } = model.connection.serverProperties as { version?: string };
    const tookMs = Math.ceil(systemClock.monotonic() - started);
    const detail = `version ${version ?? 'unknown'} at ${shown}, answered within ${tookMs} ms`;
    const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
    if (major < 3 || (major === 3 && minor < 10)) return wrong(detail, 'Install RabbitMQ 3.10 or later.');
    const alarm = await alarmOf(model);
    if (alarm !== undefined) {
      return outage(
        `${detail}; it takes no messages: ${alarm}`,
        'Give it memory or disk: rabbitmq-diagnostics alarms. Jobs are accepted meanwhile, up to a bound, and wait.',
      );
    }
    if (major > 4) return warning(detail, 'Dray is tried with 3.10 to 4.x.');
    return ok(detail);
  } finally {
    await endConnection(model, systemClock);
  }
}

/** Why the broker blocks connections that publish; undefined where it does not. */
async function alarmOf(model: ChannelModel): Promise<string | undefined> {
  let cancelLimit = (): void => undefined;
  const alarm = new Promise<string | undefined>((resolve) => {
    model.once('blocked', (reason: string) => resolve(reason));
    cancelLimit = systemClock.after(alarmMs, () => resolve(undefined));
  });
  const channel = await model.createChannel();
  channel.publish('', 'dray.doctor.no-such-queue', Buffer.alloc(0));
  return alarm.finally(cancelLimit);
}

/** Of the queues of all types that Redis knows. */
export async function checkQueues(params: {
  queue: string;
  prefix: string;
  engine: Pick<ClusterEngine, 'counts' | 'fleet'>;
}): Promise<Verdict> {
  return withBroker(params, async (broker) => {
    const counts = await params.engine.counts();
    const workers = (await params.engine.fleet.workers()).filter(({ stopping }) => stopping !== true);
    for (const type of counts) {
      for (const priority of priorities) {
        const queue = { type: type.type, priority };
        const depth = await broker.depth(queue);
        if (depth === undefined) continue;
        await broker.declare(queue); // throws where an older queue is declared otherwise
        // A worker without a free slot does not consume: that alone is nothing wrong.
        const free = workers.some(({ types, slots, busy }) => types.includes(type.type) && busy < slots);
        if (depth.messages > 0 && depth.consumers === 0 && free && !type.paused) {
          return warning(
            `${depth.messages} messages of "${type.type}" (${priority}) have no consumer, though a worker is free`,
            'Look again; if it stays so, see the log and /healthz of the workers that serve the type.',
          );
        }
      }
    }
    return checkServed(counts, workers);
  }).catch((error: unknown) =>
    wrong((error as Error).message, 'See the message; rabbitmqctl list_queues shows the queues.'),
  );
}

function checkServed(
  counts: readonly TypeCounts[],
  workers: readonly { readonly types: readonly string[] }[],
): Verdict {
  const lonely = counts.filter(
    ({ type, jobs, paused }) =>
      jobs.pending > 0 && !paused && !workers.some(({ types }) => types.includes(type)),
  );
  if (lonely.length === 0) return ok(`${counts.length} job types, each with workers where jobs wait`);
  const waiting = lonely.map(({ type, jobs }) => `${jobs.pending} of "${type}"`).join(', ');
  return wrong(
    `jobs wait that no worker serves: ${waiting}`,
    'Start a worker that has a task for them: dray worker.',
  );
}

export async function checkDeadLetters(params: { queue: string; prefix: string }): Promise<Verdict> {
  return withBroker(params, async (broker) => {
    const messages = await broker.deadLetters();
    if (messages === 0) return ok('none');
    return warning(
      `${messages} messages could not be used`,
      `A controller takes those back that are of jobs still pending. If they stay, look at the header x-dray-reason of those in ${params.prefix}.dead, and purge them.`,
    );
  });
}

async function withBroker(
  { queue, prefix }: { queue: string; prefix: string },
  ask: (broker: Broker) => Promise<Verdict>,
): Promise<Verdict> {
  const log = { info: () => undefined, warn: () => undefined };
  const broker = await openBroker({ url: queue, prefix, clock: systemClock, log });
  try {
    return await ask(broker);
  } finally {
    await broker.close();
  }
}
