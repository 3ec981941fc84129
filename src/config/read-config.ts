/** The configuration of a server: flags, environment, file and defaults put together by the option table. */
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import { configFileOption, readConfigFile } from './config-file.js';
import { availableMachine } from './machine.js';
import type { ApartMode, Mode, Option } from './option.js';
import { leastExecutorMemory, options, type Config } from './options.js';
import { parseValue, type Value } from './parse.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the servers of a deployment are. */
export type Servers = { readonly [name in 'queue' | 'state' | 'blobs']: string };

/** Of a process beside others: it knows where the servers are. */
export type DeploymentConfig = Config & Servers;

/** What all executors together may use of the memory, by default. */
const memoryShare = 0.8;
/** Containers that a process has on a cluster at a time, by default. */
const clusterSlots = 50;
const serverNames = ['queue', 'state', 'blobs'] as const;

/**
 * The frozen configuration of `dray serve` from flags (by option name), environment, the file that one of them names,
 * and defaults, in this order.
 * @throws DrayError `invalid-request` that names the option, and the file where it comes from there.
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = process.env,
): Config {
  const given = readServers(flags, environment);
  const named = serverNames.find((name) => given[name] !== undefined);
  if (named === undefined) return read('serve', flags, environment);
  const { flag, variable } = optionOf(named);
  throw new DrayError(
    'invalid-request',
    `${flag} (${variable}) is of several processes, and \`dray serve\` is one with everything in it: ` +
      'start `dray api`, `dray worker` and `dray controller` with it, or leave it out',
    { field: named },
  );
}

/**
 * The same of a process beside others.
 * @throws DrayError `invalid-request`, also where it is not told of all servers.
 */
export function readDeploymentConfig(
  mode: ApartMode,
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = process.env,
): DeploymentConfig {
  const config = read(mode, flags, environment);
  requireServers(config, `dray ${mode}`);
  return config;
}

/** The same of `dray models serve`. */
export function readModelsConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = process.env,
): Config & { readonly models: string } {
  return read('models', flags, environment) as Config & { readonly models: string }; // it has a default there
}

/** The addresses as they are given, each of them or not. @throws DrayError `invalid-request` of one that is none. */
export function readServers(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = process.env,
): Partial<Servers> {
  const file = fileNamedBy(flags, environment);
  const fromFile = valuesIn(file);
  const found = serverNames.flatMap((name) => {
    const option = optionOf(name);
    const text = textOf(option, flags, environment) ?? fromFile.get(name);
    return text === undefined ? [] : [[name, parseValue(option, text)]];
  });
  return Object.fromEntries(found) as Partial<Servers>;
}

/** @throws DrayError `invalid-request` that names the first that is missing. */
export function requireServers<T extends { readonly [name in keyof Servers]?: string | undefined }>(
  config: T,
  command: string,
): asserts config is T & Servers {
  const missing = serverNames.find((name) => config[name] === undefined);
  if (missing === undefined) return;
  const { flag, variable } = optionOf(missing);
  throw new DrayError(
    'invalid-request',
    `\`${command}\` needs the addresses of three servers, such as --queue amqp://… --state redis://… ` +
      `--blobs s3://…, and ${flag} (${variable}) is missing`,
    { field: missing },
  );
}

function read(mode: Mode, flags: Readonly<Record<string, unknown>>, environment: Environment): Config {
  const file = fileNamedBy(flags, environment);
  const fromFile = valuesIn(file);
  const values: Record<string, Value | undefined> = {};
  for (const option of options) {
    const heeded = option.modes.includes(mode);
    const chosen = heeded ? textOf(option, flags, environment) : undefined;
    const filed = heeded && chosen === undefined ? fromFile.get(option.name) : undefined;
    const text = chosen ?? filed ?? defaultOf(option, mode);
    try {
      values[option.name] = text === undefined ? undefined : parseValue(option, text);
    } catch (error) {
      if (filed === undefined || !(error instanceof DrayError)) throw error;
      const where = `${file ?? ''}, "${option.name}"`;
      const message = error.message.replace(`${option.flag} (${option.variable})`, where);
      throw new DrayError(error.code, message, { field: option.name });
    }
  }
  fitMachine(mode, values);
  refuseCrossed(values, 'minExecutors', 'maxExecutors');
  refuseCrossed(values, 'minWorkers', 'maxWorkers');
  refuseCrossed(values, 'containerCpus', 'containerMaxCpus');
  refuseCrossed(values, 'containerMemory', 'containerMaxMemory');
  return Object.freeze(values) as unknown as Config;
}

/** Executors, what each may use, and containers, where the options leave it to the machine. */
function fitMachine(mode: Mode, values: Record<string, Value | undefined>): void {
  const machine = availableMachine();
  const usable = memoryShare * machine.memory;
  const fitting = Math.max(1, Math.min(machine.cores, Math.floor(usable / leastExecutorMemory)));
  // How many workers there are is decided outside of a worker, so that it keeps the number of its executors.
  if (mode === 'worker') {
    values['slotsPerWorker'] ??= fitting;
    values['minExecutors'] = values['maxExecutors'] = values['slotsPerWorker'];
  }
  // A cluster has room of its own, and lets wait what finds none; on this machine each may take a core and more.
  values['containerSlots'] ??= values['containers'] === 'kubernetes' ? clusterSlots : machine.cores;
  values['maxExecutors'] ??= Math.max(Number(values['minExecutors']), fitting);
  values['executorMemory'] ??= Math.max(
    leastExecutorMemory,
    Math.min(limits.executorMemory, Math.floor(usable / Number(values['maxExecutors']))),
  );
}

function refuseCrossed(
  values: Record<string, Value | undefined>,
  low: keyof Config,
  high: keyof Config,
): void {
  const [least, most] = [Number(values[low]), Number(values[high])];
  if (least <= most) return;
  const message = `${optionOf(low).flag} (${least}) is above ${optionOf(high).flag} (${most})`;
  throw new DrayError('invalid-request', message, { field: low });
}

/**
 * One text option of the table, for commands beside the servers, as a server started in the same environment would
 * have it.
 * @param given by a flag, where it is.
 * @throws DrayError `invalid-request` where the file that the environment names cannot be read.
 */
export function readOption(
  name: keyof Config,
  given: string | undefined,
  environment: Environment = process.env,
): string {
  const option = optionOf(name);
  const set = given ?? (environment[option.variable] || undefined);
  return set ?? valuesIn(fileNamedBy({}, environment)).get(name) ?? option.default ?? '';
}

function optionOf(name: keyof Config): Option {
  return options.find((option) => option.name === name)!;
}

/** As a user would write it; undefined where the machine decides or nothing is set. */
export function defaultOf(option: Option, mode: Mode): string | undefined {
  const apart = mode === 'serve' || mode === 'models' ? undefined : option.defaultApart;
  return option.defaultIn?.[mode] ?? apart ?? option.default;
}

/** By flag or variable. */
function textOf(
  { name, variable }: Option,
  flags: Readonly<Record<string, unknown>>,
  environment: Environment,
): string | undefined {
  const given = flags[name];
  return typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean'
    ? String(given)
    : environment[variable] || undefined; // an empty variable is one that is not set
}

/** The path of the file of options; undefined where none is named. */
function fileNamedBy(
  { config }: Readonly<Record<string, unknown>>,
  environment: Environment,
): string | undefined {
  return typeof config === 'string' ? config : environment[configFileOption.variable] || undefined;
}

function valuesIn(file: string | undefined): ReadonlyMap<string, string> {
  if (file === undefined) return new Map();
  return readConfigFile(
    file,
    options.map(({ name }) => name),
    options.flatMap(({ name, type }) => (type === 'json' ? [name] : [])),
  );
}
