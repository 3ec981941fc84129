/** Container jobs by the options: what runs them, who may have which, and who looks after what they leave. */
import { readFileSync } from 'node:fs';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { ContainerKeeper } from '../control/containers.js';
import type { Engine } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { BucketCredentials, Buckets } from '../tasks/container/bucket.js';
import { parseHostPattern } from '../tasks/container/bucket-url.js';
import { parseImagePattern } from '../tasks/container/image.js';
import { createContainer } from '../tasks/container/index.js';
import { parseVariablePattern, type ContainerRules } from '../tasks/container/rules.js';
import type { ContainerRuntime, RuntimeOptions } from '../tasks/container/runtime.js';
import type { Task, TaskLog } from '../tasks/task.js';
import { silenceVersions } from './blobs.js';

/** Of a process that takes container jobs. */
export interface Containers {
  readonly task: Task;
  /** Looks after what jobs leave, where this process runs them; started by whoever has the engine. */
  keeper(engine: Pick<Engine, 'get'>): ContainerKeeper | undefined;
  close(): Promise<void>;
}

/**
 * @param params.identity of a process that runs the jobs, the name of its deployment; others only admit them.
 * @returns undefined where there are to be no such jobs.
 * @throws DrayError `invalid-request` that names the option that cannot be used.
 */
export async function openContainers(
  config: Config,
  { identity, clock, log }: { identity?: () => Promise<string>; clock: Clock; log: TaskLog },
): Promise<Containers | undefined> {
  if (config.containers === 'off') return undefined;
  const rules = rulesOf(config);
  if (!identity) {
    const task = createContainer({ rules, clock });
    return { task, keeper: () => undefined, close: () => Promise.resolve() };
  }
  const buckets = lazyBuckets(credentialsOf(config.bucketCredentials), clock);
  const runtime = await openRuntime(config, { owner: await identity(), clock, log });
  await sayVersion(runtime, config.containers, log);
  return {
    task: createContainer({ rules, clock, host: { runtime, buckets, slots: config.containerSlots } }),
    keeper: (engine) => new ContainerKeeper({ runtime, engine, clock, log }),
    close: () => runtime.close(),
  };
}

async function openRuntime(config: Config, common: RuntimeOptions): Promise<ContainerRuntime> {
  if (config.containers === 'kubernetes') {
    const { openKubernetes } = await import('../tasks/container/kubernetes.js');
    return openKubernetes({
      ...common,
      namespace: config.containerNamespace,
      secret: config.containerSecret,
      serviceAccount: config.containerServiceAccount,
      root: config.containerRoot,
    });
  }
  const { openPodman } = await import('../tasks/container/podman.js');
  return openPodman({
    ...common,
    program: config.containers === 'docker' ? 'docker' : 'podman',
    args: config.containerArgs,
    envFile: config.containerEnvFile,
  });
}

/** A runtime that is away is waited for by each job; one that cannot be used at all is an error of its own. */
async function sayVersion(runtime: ContainerRuntime, kind: string, log: TaskLog): Promise<void> {
  try {
    log.info('container jobs are run', { by: kind, version: await runtime.version() });
  } catch (error) {
    if (error instanceof DrayError && error.code === 'unavailable') {
      log.warn('what runs containers does not answer', { by: kind, error: error.message });
      return;
    }
    await runtime.close();
    throw error;
  }
}

function rulesOf(config: Config): ContainerRules {
  return {
    images: config.containerImages.map((text) =>
      parsed(
        parseImagePattern(text),
        text,
        'containerImages',
        '--container-images (DRAY_CONTAINER_IMAGES)',
        'is no pattern such as docker.io/mstc/* or ghcr.io/team/work:1.*; the registry is written out',
      ),
    ),
    hosts: config.bucketHosts.map((text) =>
      parsed(
        parseHostPattern(text),
        text,
        'bucketHosts',
        '--bucket-hosts (DRAY_BUCKET_HOSTS)',
        'is neither host, host:port nor *.domain',
      ),
    ),
    env: config.containerEnv.map((text) =>
      parsed(
        parseVariablePattern(text),
        text,
        'containerEnv',
        '--container-env (DRAY_CONTAINER_ENV)',
        'is neither the name of a variable nor the beginning of some, such as JOB_*',
      ),
    ),
    defaults: { cpus: config.containerCpus, memory: config.containerMemory },
    caps: { cpus: config.containerMaxCpus, memory: config.containerMaxMemory },
  };
}

function parsed<T>(value: T | undefined, text: string, field: string, option: string, why: string): T {
  if (value !== undefined) return value;
  throw new DrayError('invalid-request', `${option}: "${text}" ${why}`, { field });
}

const Credentials = Compile(
  Type.Record(
    Type.String(),
    Type.Object(
      {
        accessKey: Type.String({ minLength: 1 }),
        secretKey: Type.String({ minLength: 1 }),
        region: Type.Optional(Type.String({ minLength: 1 })),
      },
      { additionalProperties: false },
    ),
  ),
);

/** By `host:port`. Nothing of the file's content is in what this throws. */
function credentialsOf(path: string | undefined): ReadonlyMap<string, BucketCredentials> {
  if (path === undefined) return new Map();
  const refuse = (why: string, cause?: unknown): DrayError =>
    new DrayError('invalid-request', `--bucket-credentials (DRAY_BUCKET_CREDENTIALS): ${path} ${why}`, {
      field: 'bucketCredentials',
      cause,
    });
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refuse(code === undefined ? 'is not JSON' : `cannot be read (${code})`);
  }
  if (!Credentials.Check(content)) {
    throw refuse('is not of the form {"host:port": {"accessKey": "…", "secretKey": "…", "region"?: "…"}}');
  }
  return new Map(
    Object.entries(content).map(([text, credentials]) => {
      const place = parseHostPattern(text);
      if (place?.port !== undefined && !place.below) return [`${place.host}:${place.port}`, credentials];
      throw refuse(`has "${text}", which is not host:port`);
    }),
  );
}

/** Loads S3's library when a bucket is looked into for the first time. */
function lazyBuckets(credentials: ReadonlyMap<string, BucketCredentials>, clock: Clock): Buckets {
  let loading: Promise<Buckets> | undefined;
  const load = async (): Promise<Buckets> => {
    silenceVersions();
    const { S3Buckets } = await import('../tasks/container/bucket.js');
    return new S3Buckets({ credentials, clock });
  };
  return { list: async (params) => (await (loading ??= load())).list(params) };
}
