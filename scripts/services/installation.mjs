/**
 * Three servers in one folder that outlive the command which starts them. `services.json` there, readable by its
 * owner alone, keeps their passwords and ports, made once, and the processes that run.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { answers } from './greeting.mjs';
import { MissingProgram, birth, endProcess, freePort, runs } from './process.mjs';
import { rabbitPrograms, startRabbit } from './rabbitmq.mjs';
import { redisProgram, startRedis } from './redis.mjs';
import { healthy, s3Program, startS3 } from './s3.mjs';

/** The servers in the order of the table. */
const kinds = {
  redis: {
    find: redisProgram,
    start: startRedis,
    secrets: () => ({ password: secret() }),
    address: ({ port }) => `redis://127.0.0.1:${port}`,
    up: ({ port }) => answers(port, 'PING\r\n', '-NOAUTH'),
  },
  rabbitmq: {
    find: rabbitPrograms,
    start: startRabbit,
    secrets: () => ({ user: 'dray', password: secret() }),
    address: ({ port }) => `amqp://127.0.0.1:${port}`,
    up: ({ port }) => answers(port, 'AMQP\0\0\x09\x01', '\x01'),
  },
  s3: {
    find: s3Program,
    start: startS3,
    secrets: () => ({ accessKey: 'dray', secretKey: secret() }),
    address: ({ port }) => `http://127.0.0.1:${port}`,
    up: ({ port }) => healthy(`http://127.0.0.1:${port}`),
  },
};
export const names = Object.keys(kinds);

/** Hexadecimal, so that it needs no quoting in a URL, a shell or a configuration file. */
const secret = () => randomBytes(16).toString('hex');

/** @returns what `up` would miss, as `{ program, install }` */
export function missing() {
  return names.flatMap((name) => {
    try {
      kinds[name].find();
      return [];
    } catch (error) {
      if (error instanceof MissingProgram) return [error];
      throw error;
    }
  });
}

/**
 * Starts what does not run yet; the data, passwords and ports of an earlier time are taken up again.
 * @param {{ folder: string, ports?: Record<string, number | undefined> }} options
 * @returns {Promise<Record<string, string>>} the variables that `dray api|worker|controller` take
 */
export async function up({ folder, ports = {} }) {
  const home = resolve(folder);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return locked(home, async () => {
    const known = read(home);
    const outcomes = await Promise.allSettled(
      names.map(async (name) => {
        const service = (known[name] ??= { ...kinds[name].secrets(), processes: [] });
        if (running(service) && (await kinds[name].up(service))) {
          if (ports[name] && ports[name] !== service.port)
            throw new Error(`${name} runs on port ${service.port} already: take it down first`);
          return;
        }
        // One that hangs, or the register of a broker that was killed.
        await end(service);
        service.port = ports[name] ?? service.port ?? (await freePort());
        // Noted as soon as it exists: where this command is killed meanwhile, the next one knows of it.
        const detached = (pid) => {
          service.processes.push({ pid, birth: birth(pid) });
          write(home, known);
        };
        const started = await kinds[name].start({ ...service, folder: join(home, name), detached });
        service.url = started.url;
      }),
    );
    write(home, known);
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
    const variables = {
      DRAY_QUEUE: known.rabbitmq.url,
      DRAY_STATE: known.redis.url,
      DRAY_BLOBS: known.s3.url,
      AWS_ACCESS_KEY_ID: known.s3.accessKey,
      AWS_SECRET_ACCESS_KEY: known.s3.secretKey,
    };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(home, 'env'), lines.join(''), { mode: 0o600 });
    return variables;
  });
}

/** Ends what runs and leaves the data. @returns the names of those that ran */
export async function down({ folder }) {
  const home = resolve(folder);
  const ended = [];
  if (Object.keys(read(home)).length === 0) return ended;
  return locked(home, async () => {
    const known = read(home);
    await Promise.all(
      names.map(async (name) => {
        const service = known[name];
        if (!service) return;
        if (running(service)) ended.push(name);
        await end(service);
      }),
    );
    write(home, known);
    return ended;
  });
}

/** @returns for each server its state, pid, address and data folder; no password */
export function status({ folder }) {
  const home = resolve(folder);
  const known = read(home);
  return Promise.all(
    names.map(async (name) => {
      const service = known[name];
      if (!service || !running(service))
        return { name, state: 'stopped', pid: null, address: null, data: service ? join(home, name) : null };
      return {
        name,
        state: (await kinds[name].up(service)) ? 'running' : 'not answering',
        pid: main(service).pid,
        address: kinds[name].address(service),
        data: join(home, name),
      };
    }),
  );
}

/** The server itself; what it needs was started before it. */
const main = ({ processes }) => processes.at(-1);
const running = (service) => service.processes.length > 0 && runs(main(service));

async function end(service) {
  for (const process of service.processes.toReversed()) await endProcess(process);
  service.processes = [];
}

function read(home) {
  try {
    return JSON.parse(readFileSync(join(home, 'services.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw new Error(`${join(home, 'services.json')} cannot be read: ${error.message}`, { cause: error });
  }
}

/** Whole or not at all: a half-written file would lose the passwords that the data was made with. */
function write(home, known) {
  const file = join(home, 'services.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(known, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Two commands at once would start two servers on one folder. A lock of a process that is gone counts nothing. */
async function locked(home, action) {
  const file = join(home, 'lock');
  const own = JSON.stringify({ pid: process.pid, birth: birth(process.pid) });
  for (;;) {
    try {
      writeFileSync(file, own, { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = JSON.parse(readFileSync(file, 'utf8') || '{}');
      if (runs(holder))
        throw new Error(`another command (pid ${holder.pid}) is at work on ${home}`, { cause: error });
      rmSync(file, { force: true });
    }
  }
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}
