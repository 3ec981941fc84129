/** The option table: flags, variables, help and docs all come from here. */
import { availableMachine } from './machine.js';
import { DrayError } from '../jobs/errors.js';
import { GiB, KiB, limits, MiB } from '../jobs/limits.js';

type OptionType = 'string' | 'integer' | 'bytes';

export interface Option {
  /** camelCase: the key in Config. */
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

/** What `dray serve` runs with. Sizes in bytes. */
export interface Config {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly executors: number;
  readonly executorMemory: number;
  readonly bodyLimit: number;
  readonly blas: string | undefined;
  readonly logLevel: string;
}

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
    doc: 'address to listen on; only loopback addresses are allowed as yet',
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
    name: 'executors',
    flag: '--executors',
    variable: 'DRAY_EXECUTORS',
    type: 'integer',
    min: 1,
    max: 1_024,
    doc: 'processes that run jobs, one job each (default: one a core)',
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
    doc: 'how much is logged: trace, debug, info, warn, error or silent',
  },
];

/** "2g", "512m", "64k" or plain bytes, as bytes; undefined where it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = { '': 1, k: KiB, m: MiB, g: GiB, t: 1024 * GiB }[match[2]!.toLowerCase()]!;
  return Math.floor(Number(match[1]) * unit);
}

/**
 * The frozen configuration from flags (by option name), environment and defaults, in this order.
 * @throws DrayError `invalid-request` that names the option.
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const machine = availableMachine();
  const values: Record<string, string | number | undefined> = {};
  for (const option of options) {
    const given = flags[option.name];
    const text =
      typeof given === 'string' || typeof given === 'number'
        ? String(given)
        : (environment[option.variable] ?? option.default);
    values[option.name] = text === undefined ? undefined : parse(option, text);
  }
  const usable = memoryShare * machine.memory;
  values['executors'] ??= Math.max(1, Math.min(machine.cores, Math.floor(usable / leastExecutorMemory)));
  values['executorMemory'] ??= Math.max(
    leastExecutorMemory,
    Math.min(limits.executorMemory, Math.floor(usable / Number(values['executors']))),
  );
  return Object.freeze(values) as unknown as Config;
}

function parse(option: Option, text: string): string | number {
  if (option.values?.includes(text) === false) {
    throw new DrayError(
      'invalid-request',
      `${option.flag} (${option.variable}): "${text}" is not one of ${option.values.join(', ')}`,
      { field: option.name },
    );
  }
  if (option.type === 'string') return text;
  const value = option.type === 'bytes' ? parseBytes(text) : /^\d+$/.test(text) ? Number(text) : undefined;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (value === undefined || value < min || value > max) {
    const wanted =
      option.type === 'bytes'
        ? `a size of at least ${min / MiB >= 1 ? `${min / MiB}m` : `${min} bytes`}, such as 2g or 512m`
        : `a whole number from ${min} to ${max}`;
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
