/** The option table: flags, variables, keys of the file, help and docs all come from here. */
import { configFileOption, readConfigFile } from './config-file.js';
import { availableMachine } from './machine.js';
import { parseDuration } from '../jobs/duration.js';
import { DrayError } from '../jobs/errors.js';
import { GiB, KiB, limits, MiB } from '../jobs/limits.js';

type OptionType = 'string' | 'integer' | 'bytes' | 'duration' | 'share' | 'files' | 'switch';

export interface Option {
  /** camelCase: the key in Config and in the file. */
  readonly name: keyof Config;
  readonly flag: string;
  readonly variable: string;
  readonly type: OptionType;
  /** As a user would write it; undefined where the default depends on the machine or nothing is set. */
  readonly default?: string;
  readonly min?: number;
  readonly max?: number;
  /** Where only these words are taken. */
  readonly values?: readonly string[];
  readonly doc: string;
}

/** What `dray serve` runs with. Sizes in bytes, durations in seconds. */
export interface Config {
  readonly port: number;
  readonly host: string;
  readonly auth: 'auto' | 'keys' | 'insecure-open';
  readonly openDoors: boolean;
  readonly data: string;
  readonly minExecutors: number;
  readonly maxExecutors: number;
  readonly tasks: readonly string[];
  readonly inlineSlots: number;
  readonly drainTarget: number;
  readonly slo: number;
  readonly simulate: number;
  readonly executorMemory: number;
  readonly bodyLimit: number;
  readonly headerTimeout: number;
  readonly bodyTimeout: number;
  readonly answerTimeout: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
  readonly keepFor: number;
  readonly keepJobs: number;
  readonly diskShare: number;
  readonly keepUploads: number;
  readonly minFree: number | undefined;
  readonly blas: string | undefined;
  readonly logLevel: string;
}

/** In seconds. */
const day = 24 * 3_600;
/** Below it an executor has no room for work beside itself. */
const leastExecutorMemory = 256 * MiB;
/** What all executors together may use of the memory, by default. */
const memoryShare = 0.8;

export const options: readonly Option[] = [
  {
    name: 'port',
    flag: '--port',
    variable: 'DRAY_PORT',
    type: 'integer',
    default: '8080',
    min: 0,
    max: 65_535,
    doc: 'port of the HTTP API; 0 takes a free one',
  },
  {
    name: 'host',
    flag: '--host',
    variable: 'DRAY_HOST',
    type: 'string',
    default: '127.0.0.1',
    doc: 'address to listen on; beyond loopback only with API keys (docs/security.md)',
  },
  {
    name: 'auth',
    flag: '--auth',
    variable: 'DRAY_AUTH',
    type: 'string',
    default: 'auto',
    values: ['auto', 'keys', 'insecure-open'],
    doc: 'auto: API keys are needed as soon as there is one; keys: always; insecure-open: whoever reaches the address may do everything',
  },
  {
    name: 'openDoors',
    flag: '--open-doors',
    variable: 'DRAY_OPEN_DOORS',
    type: 'switch',
    default: 'false',
    doc: 'the doors of existing clients (docs/doors.md), and nothing else, need no API key',
  },
  {
    name: 'data',
    flag: '--data',
    variable: 'DRAY_DATA',
    type: 'string',
    default: './.dray',
    doc: 'folder of the database and the blobs',
  },
  {
    name: 'minExecutors',
    flag: '--min-executors',
    variable: 'DRAY_MIN_EXECUTORS',
    type: 'integer',
    default: '1',
    min: 0,
    max: 1_024,
    doc: 'processes that run jobs, one job each: never fewer than these',
  },
  {
    name: 'maxExecutors',
    flag: '--max-executors',
    variable: 'DRAY_MAX_EXECUTORS',
    type: 'integer',
    min: 1,
    max: 1_024,
    doc: 'never more executors than these (default: one a core)',
  },
  {
    name: 'tasks',
    flag: '--tasks',
    variable: 'DRAY_TASKS',
    type: 'files',
    default: '',
    doc: 'modules with tasks of your own, such as ./my-tasks.js; several are separated by commas',
  },
  {
    name: 'inlineSlots',
    flag: '--inline-slots',
    variable: 'DRAY_INLINE_SLOTS',
    type: 'integer',
    default: '100',
    min: 1,
    max: 10_000,
    doc: 'how many jobs of inline tasks run at a time, in the process of the server',
  },
  {
    name: 'drainTarget',
    flag: '--drain-target',
    variable: 'DRAY_DRAIN_TARGET',
    type: 'duration',
    default: '5s',
    min: 0.1,
    max: 86_400,
    doc: 'executors are started so that what waits is worked off within this time',
  },
  {
    name: 'slo',
    flag: '--slo',
    variable: 'DRAY_SLO',
    type: 'duration',
    default: '1s',
    min: 0.1,
    max: 86_400,
    doc: 'while a job has waited longer than this, one more executor is started each second',
  },
  {
    name: 'simulate',
    flag: '--simulate-workload',
    variable: 'SIMULATE_WORKLOAD_DURATION_IN_SEC',
    type: 'duration',
    default: '0',
    min: 0,
    max: 86_400,
    doc: 'matrix and start/end jobs hold their slot for this time instead of computing; 0 computes',
  },
  {
    name: 'executorMemory',
    flag: '--executor-memory',
    variable: 'DRAY_EXECUTOR_MEMORY',
    type: 'bytes',
    min: leastExecutorMemory,
    doc: 'memory that one executor may use, such as 2g (default: 3g, or its share of the machine)',
  },
  {
    name: 'bodyLimit',
    flag: '--body-limit',
    variable: 'DRAY_BODY_LIMIT',
    type: 'bytes',
    default: '4g',
    min: KiB,
    doc: 'largest request body',
  },
  {
    name: 'headerTimeout',
    flag: '--header-timeout',
    variable: 'DRAY_HEADER_TIMEOUT',
    type: 'duration',
    default: '10s',
    min: 0.1,
    max: 3_600,
    doc: 'the head of a request must have arrived within this time',
  },
  {
    name: 'bodyTimeout',
    flag: '--body-timeout',
    variable: 'DRAY_BODY_TIMEOUT',
    type: 'duration',
    default: '30s',
    min: 0.1,
    max: 3_600,
    doc: 'a body that arrives at less than 1 KiB/s over this time is cut',
  },
  {
    name: 'answerTimeout',
    flag: '--answer-timeout',
    variable: 'DRAY_ANSWER_TIMEOUT',
    type: 'duration',
    default: '60s',
    min: 0.1,
    max: 3_600,
    doc: 'an answer of which the client takes nothing for this time is cut',
  },
  {
    name: 'maxConnections',
    flag: '--max-connections',
    variable: 'DRAY_MAX_CONNECTIONS',
    type: 'integer',
    default: '10000',
    min: 1,
    doc: 'connections above so many are closed as they come',
  },
  {
    name: 'maxWaiting',
    flag: '--max-waiting',
    variable: 'DRAY_MAX_WAITING',
    type: 'integer',
    default: '1000000',
    min: 1,
    doc: 'while so many jobs wait, new ones are refused with 429',
  },
  {
    name: 'keepFor',
    flag: '--keep-for',
    variable: 'DRAY_KEEP_FOR',
    type: 'duration',
    default: '7d',
    min: 1,
    max: 10 * 365 * day,
    doc: 'finished jobs are removed, with their blobs, when they are older than this',
  },
  {
    name: 'keepJobs',
    flag: '--keep-jobs',
    variable: 'DRAY_KEEP_JOBS',
    type: 'integer',
    default: '1000000',
    min: 0,
    doc: 'no more finished jobs are kept than these; the oldest go first',
  },
  {
    name: 'diskShare',
    flag: '--disk-share',
    variable: 'DRAY_DISK_SHARE',
    type: 'share',
    default: '0.8',
    min: 0.01,
    max: 1,
    doc: 'the blobs may take this share of what they and the free room are together; above it finished jobs go, the oldest first',
  },
  {
    name: 'keepUploads',
    flag: '--keep-uploads',
    variable: 'DRAY_KEEP_UPLOADS',
    type: 'duration',
    default: '24h',
    min: 60,
    max: 10 * 365 * day,
    doc: 'a blob that no job uses is removed when it is older than this; it must be longer than an upload takes',
  },
  {
    name: 'minFree',
    flag: '--min-free',
    variable: 'DRAY_MIN_FREE',
    type: 'bytes',
    doc: 'while the disk has less room than this, new jobs and uploads are refused with 507; 0 never refuses (default: 5 % of the disk, at least 256m)',
  },
  {
    name: 'blas',
    flag: '--blas',
    variable: 'DRAY_BLAS',
    type: 'string',
    doc: 'path of the CBLAS library for matmul (default: the first known one that loads)',
  },
  {
    name: 'logLevel',
    flag: '--log-level',
    variable: 'DRAY_LOG_LEVEL',
    type: 'string',
    default: 'info',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    doc: 'how much is logged: trace, debug (each request), info (refused requests too), warn, error or silent',
  },
];

/** "2g", "512m", "64k" or plain bytes, as bytes; undefined where it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = { '': 1, k: KiB, m: MiB, g: GiB, t: 1024 * GiB }[match[2]!.toLowerCase()]!;
  return Math.floor(Number(match[1]) * unit);
}

/** "0.8" or "80%", as a number; undefined where it is none of these. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim());
  return match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : undefined;
}

/** Paths between commas. */
function parseFiles(text: string): string[] {
  return text
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== '');
}

/**
 * The frozen configuration from flags (by option name), environment, the file that one of them names, and defaults,
 * in this order.
 * @throws DrayError `invalid-request` that names the option, and the file where it comes from there.
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const machine = availableMachine();
  const file = fileNamedBy(flags, environment);
  const fromFile = valuesIn(file);
  const values: Record<string, Value | undefined> = {};
  for (const option of options) {
    const given = flags[option.name];
    const chosen =
      typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean'
        ? String(given)
        : environment[option.variable] || undefined; // an empty variable is one that is not set
    const filed = chosen === undefined ? fromFile.get(option.name) : undefined;
    const text = chosen ?? filed ?? option.default;
    try {
      values[option.name] = text === undefined ? undefined : parse(option, text);
    } catch (error) {
      if (filed === undefined || !(error instanceof DrayError)) throw error;
      const where = `${file ?? ''}, "${option.name}"`;
      const message = error.message.replace(`${option.flag} (${option.variable})`, where);
      throw new DrayError(error.code, message, { field: option.name });
    }
  }
  const usable = memoryShare * machine.memory;
  const least = Number(values['minExecutors']);
  const fitting = Math.max(1, Math.min(machine.cores, Math.floor(usable / leastExecutorMemory)));
  values['maxExecutors'] ??= Math.max(least, fitting);
  if (least > Number(values['maxExecutors'])) {
    throw new DrayError(
      'invalid-request',
      `--min-executors (${least}) is above --max-executors (${Number(values['maxExecutors'])})`,
      { field: 'minExecutors' },
    );
  }
  values['executorMemory'] ??= Math.max(
    leastExecutorMemory,
    Math.min(limits.executorMemory, Math.floor(usable / Number(values['maxExecutors']))),
  );
  return Object.freeze(values) as unknown as Config;
}

/**
 * One text option of the table, for commands beside `dray serve`, as a server started in the same environment would
 * have it.
 * @param given by a flag, where it is.
 * @throws DrayError `invalid-request` where the file that the environment names cannot be read.
 */
export function readOption(
  name: keyof Config,
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const option = options.find((one) => one.name === name)!;
  const set = given ?? (environment[option.variable] || undefined);
  return set ?? valuesIn(fileNamedBy({}, environment)).get(name) ?? option.default ?? '';
}

/** The path of the file of options; undefined where none is named. */
function fileNamedBy(
  { config }: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  return typeof config === 'string' ? config : environment[configFileOption.variable] || undefined;
}

function valuesIn(file: string | undefined): ReadonlyMap<string, string> {
  if (file === undefined) return new Map();
  return readConfigFile(
    file,
    options.map(({ name }) => name),
  );
}

function parseSeconds(text: string): number | undefined {
  const ms = parseDuration(text, { bare: 's' });
  return ms === undefined ? undefined : ms / 1_000;
}

const parsers = {
  bytes: parseBytes,
  duration: parseSeconds,
  share: parseShare,
  integer: (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined),
};

type Value = string | number | boolean | readonly string[];
const switches: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };

function parse(option: Option, text: string): Value {
  if (option.values?.includes(text) === false) {
    throw new DrayError(
      'invalid-request',
      `${option.flag} (${option.variable}): "${text}" is not one of ${option.values.join(', ')}`,
      { field: option.name },
    );
  }
  if (option.type === 'string') return text;
  if (option.type === 'files') return Object.freeze(parseFiles(text));
  if (option.type === 'switch') {
    const on = switches[text];
    if (on !== undefined) return on;
    throw new DrayError(
      'invalid-request',
      `${option.flag} (${option.variable}): "${text}" is not true or false`,
      { field: option.name },
    );
  }
  const value = parsers[option.type](text);
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (value === undefined || value < min || value > max) {
    const wanted = {
      bytes: `a size of at least ${min / MiB >= 1 ? `${min / MiB}m` : `${min} bytes`}, such as 2g or 512m`,
      duration: `a time from ${min} to ${max} seconds, such as 30s or 5m`,
      share: `a share from ${min} to ${max}, such as 0.8 or 80%`,
      integer: `a whole number from ${min} to ${max}`,
    }[option.type];
    throw new DrayError(
      'invalid-request',
      `${option.flag} (${option.variable}): "${text}" is not ${wanted}`,
      {
        field: option.name,
      },
    );
  }
  return value;
}
