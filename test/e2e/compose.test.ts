/** deploy/compose: read as Docker Compose reads it, and its very commands and environment run as processes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../../scripts/services/installation.mjs';
import { freePort, ready, startProcess } from '../../scripts/services/process.mjs';
import { startRabbit } from '../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';
import { startS3 } from '../../scripts/services/s3.mjs';
import { minioModule } from '../../scripts/services/tools.mjs';
import {
  composeFile,
  composeTrouble,
  makePasswords,
  readCompose,
  type ComposeModel,
  type ComposeService,
} from '../support/compose.js';
import { assemble, bases, dockerfile, image } from '../support/images.js';
import { root } from '../support/sources.js';

const ours = ['prepare', 'api', 'controller', 'worker'];
let folder: string;
let passwords: Record<string, string>;
let model: ComposeModel;
const service = (name: string): ComposeService => model.services[name]!;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-compose-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the passwords of the compose file', () => {
  it('are made once, and for their owner alone', () => {
    const { file, values } = makePasswords(folder);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(new Set(Object.values(values)).size).toBe(Object.keys(values).length);
    expect(makePasswords(folder).values).toEqual(values);
  });
});

describe.skipIf(composeTrouble() !== undefined)('the compose file', () => {
  beforeAll(() => {
    const made = makePasswords(folder);
    passwords = made.values;
    model = readCompose(folder, made.file);
  });

  it('has the servers and the processes of a deployment', () => {
    expect(Object.keys(model.services).sort()).toEqual([...ours, 'rabbitmq', 'redis', 's3'].sort());
    expect(service('worker').deploy.replicas).toBe(2);
  });

  it('says what is missing where there are no passwords', () => {
    expect(() => readCompose(folder, '/dev/null')).toThrow('run node scripts/compose-env.mjs first');
  });

  it('holds no password itself', () => {
    const text = readFileSync(composeFile, 'utf8');
    for (const line of text.split('\n').filter((found) => /PASS|SECRET|CLI_AUTH:|requirepass/.test(found)))
      expect(line).toMatch(/\$\{?[A-Z$]/);
  });

  it('pins every image to one version', () => {
    const images = Object.values(model.services).flatMap(({ image: name }) => name ?? []);
    expect(images).toHaveLength(2);
    for (const name of [...images, ...bases()])
      expect(name).toMatch(/^(docker\.io\/library\/)?[a-z]+:\d+\.\d+\.\d+(-bookworm(-slim)?)?$/);
    expect(readFileSync(dockerfile, 'utf8')).toContain(minioModule);
  });

  it('gives nobody more than needed', () => {
    for (const name of [...ours, 'redis', 's3']) {
      expect(service(name).read_only, name).toBe(true);
      expect(service(name).cap_drop, name).toEqual(['ALL']);
    }
    for (const name of [...ours, 's3'])
      expect(image(service(name).build!.target).user, name).toBe('1000:1000');
    for (const [name, { deploy }] of Object.entries(model.services))
      expect(Object.keys(deploy.resources.limits).sort(), name).toEqual(['cpus', 'memory']);
  });

  it('shows the API alone, and to this machine alone', () => {
    const shown = Object.entries(model.services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${port.host_ip}:${port.published}`),
    );
    expect(shown).toEqual(['api 127.0.0.1:8080']);
    expect(model.networks['servers']!.internal).toBe(true);
    for (const name of ['rabbitmq', 'redis', 's3'])
      expect(Object.keys(service(name).networks!)).toEqual(['servers']);
  });

  it('starts again what ends, and in an order', () => {
    for (const [name, { restart }] of Object.entries(model.services))
      expect(restart, name).toBe(name === 'prepare' ? 'on-failure' : 'unless-stopped');
    for (const name of ['api', 'controller', 'worker']) {
      const conditions = Object.entries(service(name).depends_on!).map(
        ([on, { condition }]) => `${on} ${condition}`,
      );
      expect(conditions.sort()).toEqual([
        'prepare service_completed_successfully',
        'rabbitmq service_healthy',
        'redis service_healthy',
        's3 service_healthy',
      ]);
    }
  });

  it('asks everything that keeps running for its health', () => {
    for (const [name, { build, healthcheck }] of Object.entries(model.services)) {
      if (name === 'prepare') continue;
      expect(healthcheck?.test ?? image(build!.target).healthcheck, name).toBeDefined();
    }
  });

  it('takes the settings of the servers from where npm run services has them', () => {
    for (const name of ['redis', 'rabbitmq'])
      expect(service(name).volumes).toContainEqual(
        expect.objectContaining({ type: 'bind', source: join(root, `deploy/services/${name}.conf`) }),
      );
  });
});

describe.skipIf(composeTrouble() !== undefined || missing().length > 0)('its commands', () => {
  const processes: ReturnType<typeof startProcess>[] = [];
  const servers: { stop(): Promise<void> }[] = [];
  /** What the names in the file's addresses are here. */
  const places: [name: string, place: string][] = [];
  let api: string;
  /** The files of the images, which are the same in all of Dray's. */
  let app: string;

  interface Started {
    readonly process: ReturnType<typeof startProcess>;
    readonly env: Record<string, string>;
    readonly healthcheck: readonly string[] | undefined;
    readonly url: string;
  }

  /** Its image's and its own environment and command, with only the addresses of this machine put in. */
  async function start(name: string, copy = 1): Promise<Started> {
    const { build, entrypoint, command, environment = {} } = service(name);
    const made = image(build!.target);
    const here = (text: string): string =>
      places.reduce((rest, [from, to]) => rest.replaceAll(from, to), text);
    const given: Readonly<Record<string, string>> = { ...made.env, ...environment };
    const port = await freePort();
    const env = {
      ...Object.fromEntries(Object.entries(given).map(([key, value]) => [key, here(value)])),
      ...('DRAY_HEALTH_PORT' in made.env ? { DRAY_HEALTH_PORT: String(port) } : { DRAY_PORT: String(port) }),
    };
    // tini is process 1 of a container, and would be one of many here.
    const words = (entrypoint ?? made.entrypoint)
      .join(' ')
      .replace(/^tini -- /, '')
      .split(' ');
    const [program = '', ...args] = [...words, ...(command ?? made.command)];
    const process = startProcess({
      name: `${name} ${copy}`,
      command: program,
      args,
      env,
      cwd: app,
      log: join(folder, `${name}-${copy}.log`),
    });
    processes.push(process);
    return { process, env, healthcheck: made.healthcheck, url: `http://127.0.0.1:${port}` };
  }

  const healthy = ({ env, healthcheck }: Started): boolean =>
    spawnSync(healthcheck![0]!, healthcheck!.slice(1), { cwd: app, env: { ...process.env, ...env } })
      .status === 0;

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = {
      authorization: `Bearer ${passwords['DRAY_API_KEY']!}`,
      'content-type': 'application/json',
    };
    return fetch(`${api}${path}`, { ...init, headers });
  }

  /** The finished job. */
  async function run(job: object): Promise<{ status: string; result: unknown }> {
    const submitted = await ask('/v1/jobs?wait=30s', { method: 'POST', body: JSON.stringify(job) });
    return (await submitted.json()) as { status: string; result: unknown };
  }

  beforeAll(async () => {
    app = await assemble('worker', join(folder, 'images'));
    const [rabbit, redis, s3] = await Promise.all([
      startRabbit({
        folder: join(folder, 'rabbitmq'),
        user: service('rabbitmq').environment!['RABBITMQ_DEFAULT_USER']!,
        password: service('rabbitmq').environment!['RABBITMQ_DEFAULT_PASS']!,
      }),
      startRedis({
        folder: join(folder, 'redis'),
        password: service('redis').environment!['REDISCLI_AUTH']!,
      }),
      startS3({
        folder: join(folder, 's3'),
        accessKey: service('s3').environment!['MINIO_ROOT_USER']!,
        secretKey: service('s3').environment!['MINIO_ROOT_PASSWORD']!,
        bucket: 'not-the-one',
      }),
    ]);
    servers.push(rabbit, redis, s3);
    places.push(
      ['@rabbitmq:5672', `@127.0.0.1:${rabbit.port}`],
      ['@redis:6379', `@127.0.0.1:${redis.port}`],
      ['//s3:9000', `//127.0.0.1:${s3.port}`],
      ['/keys/', `${join(folder, 'keys')}/`],
    );
  }, 600_000);
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.stop()));
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('run jobs on several workers, and drain at SIGTERM', async () => {
    for (const copy of [1, 2]) {
      const { process } = await start('prepare', copy);
      expect(await process.exited, 'prepare, which may be run again').toBe(0);
    }
    const started = await Promise.all([
      start('api'),
      start('controller'),
      start('worker', 1),
      start('worker', 2),
    ]);
    api = started[0].url;
    for (const one of started) await ready(one.process, () => healthy(one));

    expect((await fetch(`${api}/v1/jobs`)).status).toBe(401);
    expect(await run({ type: 'echo', input: { hello: 'there' } })).toMatchObject({
      status: 'completed',
      result: { hello: 'there' },
    });
    // Too large for the record: the product goes the whole way through the bucket.
    const factor = { random: { rows: 200, cols: 200, seed: 7 } };
    expect(await run({ type: 'matmul', input: { a: factor, b: factor, verify: true } })).toMatchObject({
      status: 'completed',
    });
    expect(await (await ask('/v1/workers')).json()).toMatchObject({ workers: { length: 2 } });

    for (const { process } of started) process.child.kill('SIGTERM');
    for (const { process } of started) expect(await process.exited, process.name).toBe(0);
  });
});

describe('the health check of the images', () => {
  const check = (...args: readonly string[]) =>
    execFileSync(process.execPath, [join(root, 'deploy/docker/healthcheck.mjs'), ...args], { stdio: 'pipe' });

  it('fails, and says why, where nothing answers', async () => {
    const port = String(await freePort());
    expect(() => check(port, '/healthz')).toThrow(`http://127.0.0.1:${port}/healthz: connect ECONNREFUSED`);
  });
});
