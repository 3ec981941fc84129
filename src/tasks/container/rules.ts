/** Which containers an operator lets clients start, and with what. Pure; docs/containers.md has the reasons. */
import { DrayError } from '../../jobs/errors.js';
import { GiB, KiB } from '../../jobs/limits.js';
import { allowance, parseBucketUrl, type BucketUrl, type HostPattern } from './bucket-url.js';
import { imageText, isAllowed, parseImage, type ImagePattern } from './image.js';
import type { ContainerInput } from './input.js';

interface Resources {
  /** Of one core. */
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
}

export interface ContainerRules {
  readonly images: readonly ImagePattern[];
  readonly hosts: readonly HostPattern[];
  /** Variables that clients may set: names, or what they begin with and `*`. */
  readonly env: readonly string[];
  /** What a container may use where its job does not say. */
  readonly defaults: Resources;
  /** The most that a job may ask for. */
  readonly caps: Resources;
}

/** A job with nothing left to default. It fits the schema of its input, and the rules that it has passed. */
export type ContainerJob = ContainerInput &
  Required<Pick<ContainerInput, 'name' | 'outputBucketUrl' | 'cpus' | 'memory'>>;

export type BucketField = 'inputBucketUrl' | 'outputBucketUrl';

export interface AllowedBucket extends BucketUrl {
  /** False where the operator allows a domain that the host is in, rather than the host. */
  readonly named: boolean;
}

const mostVariables = 64;
const mostBytes = 8 * KiB;
const ownVariables = ['INPUT_BUCKET_URL', 'OUTPUT_BUCKET_URL'];

/**
 * @returns the job as it is stored. A job that has passed passes again, unchanged: workers have rules of their own.
 * @throws DrayError with a 4xx code that names the field.
 */
export function admitContainer(input: ContainerInput, rules: ContainerRules): ContainerJob {
  const image = parseImage(input.image);
  if (!image) {
    throw refusal(
      'invalid-request',
      'image',
      'is no name of an image, such as python:3.13, mstc/python-test:latest or registry.example:5000/team/work@sha256:…',
    );
  }
  if (!isAllowed(image, rules.images)) {
    const why = rules.images.length === 0 ? 'this server allows none' : 'it is none of those allowed here';
    throw refusal(
      'image-not-allowed',
      'image',
      `${imageText(image)} may not run: ${why} (--container-images)`,
    );
  }
  const { env, outputBucketUrl = input.inputBucketUrl } = input;
  if (env) checkEnv(env, rules.env);
  return {
    ...input,
    image: imageText(image),
    name: input.name ?? image.repository.split('/').at(-1)!,
    inputBucketUrl: admitBucket(input.inputBucketUrl, 'inputBucketUrl', rules).href,
    outputBucketUrl: admitBucket(outputBucketUrl, 'outputBucketUrl', rules).href,
    cpus: capped(input, 'cpus', rules, (cores) => `${cores} cores`),
    memory: capped(input, 'memory', rules, (bytes) => `${bytes} bytes (${+(bytes / GiB).toFixed(2)} GiB)`),
  };
}

/** @throws DrayError as `admitContainer` does. */
export function admitBucket(text: string, field: BucketField, { hosts }: ContainerRules): AllowedBucket {
  const url = parseBucketUrl(text);
  if (typeof url === 'string') throw refusal('invalid-request', field, url);
  const allowed = allowance(url, hosts);
  if (allowed !== undefined) return { ...url, named: allowed === 'named' };
  const why = hosts.length === 0 ? 'this server allows none' : 'it is none of those allowed here';
  throw refusal('bucket-not-allowed', field, `no bucket of ${url.host}:${url.port}: ${why} (--bucket-hosts)`);
}

/** What the container gets: its own variables cannot be overridden. */
export function containerEnv(job: ContainerJob): Readonly<Record<string, string>> {
  return { ...job.env, INPUT_BUCKET_URL: job.inputBucketUrl, OUTPUT_BUCKET_URL: job.outputBucketUrl };
}

/** Undefined where it is no pattern. */
export function parseVariablePattern(text: string): string | undefined {
  return /^(?:[A-Za-z_]\w*\*?|\*)$/.test(text) ? text : undefined;
}

function isVariableAllowed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
}

function checkEnv(env: Readonly<Record<string, string>>, allowed: readonly string[]): void {
  const entries = Object.entries(env);
  const refuse = (why: string, name?: string): DrayError =>
    refusal('invalid-request', name === undefined ? 'env' : `env.${name.slice(0, 64)}`, why);
  if (entries.length > mostVariables)
    throw refuse(`has ${entries.length} variables, at most ${mostVariables} are taken`);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      throw refuse('a variable’s name has A-Z a-z 0-9 _ and does not begin with a digit', name);
    }
    if (ownVariables.includes(name)) throw refuse('is set to the bucket’s address', name);
    if (!isVariableAllowed(name, allowed)) {
      const why = allowed.length === 0 ? 'this server allows none' : 'it is none of those allowed here';
      throw refusal(
        'variable-not-allowed',
        `env.${name.slice(0, 64)}`,
        `may not be set: ${why} (--container-env)`,
      );
    }
    if (/[\0\r\n]/.test(value)) throw refuse('has a line break or a zero byte, which are not taken', name);
  }
  const bytes = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join('=')), 0);
  if (bytes > mostBytes) throw refuse(`has ${bytes} bytes in all, at most ${mostBytes} are taken`);
}

function capped(
  input: ContainerInput,
  field: keyof Resources,
  { defaults, caps }: ContainerRules,
  say: (amount: number) => string,
): number {
  const wanted = input[field] ?? defaults[field];
  if (wanted <= caps[field]) return wanted;
  throw refusal('limit-exceeded', field, `${say(wanted)} are more than the ${say(caps[field])} allowed here`);
}

type Refusal =
  'invalid-request' | 'limit-exceeded' | 'image-not-allowed' | 'bucket-not-allowed' | 'variable-not-allowed';

function refusal(code: Refusal, name: string, why: string): DrayError {
  const field = `input.${name}`;
  return new DrayError(code, `${field}: ${why}`, { field });
}
