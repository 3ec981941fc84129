/** `dray serve`, and `dray api`, `dray worker` and `dray controller`: what runs until it is stopped. */
import { Option, type Command } from 'commander';
import { configFileOption } from '../config/config-file.js';
import type { ApartMode, Mode } from '../config/option.js';
import { options as table, type Config } from '../config/options.js';
import {
  defaultOf,
  readConfig,
  readDeploymentConfig,
  readModelsConfig,
  type DeploymentConfig,
} from '../config/read-config.js';
import { DrayError } from '../jobs/errors.js';
import type { Handle } from './context.js';
import { exitCodes, UsageError } from './failure.js';

/** Each resolves when the server has stopped, or rejects where it cannot start. */
export interface Servers {
  /** Everything in one process. */
  serve(config: Config): Promise<void>;
  /** One process of a deployment. */
  serveApart(mode: ApartMode, config: DeploymentConfig): Promise<void>;
  /** Models, and nothing else. */
  serveModels(config: Config & { readonly models: string }): Promise<void>;
}

const descriptions: Readonly<Record<Mode, string>> = {
  serve: 'run everything on this machine: the HTTP API and the workers',
  api: 'run the HTTP API of a deployment on several machines',
  worker: 'run a worker of a deployment',
  controller: 'run a controller of a deployment: of several one leads, and keeps house',
  models: 'serve the models of a folder, as TensorFlow Serving’s REST API does',
};

const values = {
  integer: '<n>',
  number: '<n>',
  bytes: '<size>',
  duration: '<time>',
  share: '<share>',
  list: '<list>',
  name: '<name>',
  string: '<text>',
  json: '<json>',
  address: '<address>',
  switch: '',
} as const;

export function addServers(program: Command, servers: Servers, handle: Handle): void {
  const add = (
    mode: Mode,
    run: (flags: Record<string, unknown>) => Promise<void>,
    command = program.command(mode),
  ): void => {
    command.description(descriptions[mode]);
    const { flag, variable, doc } = configFileOption;
    command.option(`${flag} <file>`, `${doc} (${variable})`);
    const names = addOptions(command, mode);
    command.action((flags: Record<string, unknown>) =>
      handle(false, async () => {
        const given = Object.entries(flags).map(([key, value]) => [names.get(key) ?? key, value]);
        await run(Object.fromEntries(given) as Record<string, unknown>);
        return exitCodes.ok;
      }),
    );
  };
  add('serve', (flags) => servers.serve(usable('serve', () => readConfig(flags))));
  for (const mode of ['api', 'worker', 'controller'] as const) {
    add(mode, (flags) =>
      servers.serveApart(
        mode,
        usable(mode, () => readDeploymentConfig(mode, flags)),
      ),
    );
  }
  const models = program.command('models').description('models that are served');
  add(
    'models',
    (flags) => servers.serveModels(usable('models', () => readModelsConfig(flags))),
    models.command('serve'),
  );
}

/** @returns the options' names by those that Commander makes of their flags, which may be others. */
function addOptions(command: Command, mode: Mode): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const one of table) {
    const { name, flag, variable, type, modes, doc } = one;
    // `dray serve` takes the addresses of servers only to say which commands they are for.
    if (!modes.includes(mode) && !(mode === 'serve' && type === 'address')) continue;
    const fallback = defaultOf(one, mode);
    const shown =
      fallback === undefined || fallback === '' ? `(${variable})` : `(${variable}, default: ${fallback})`;
    // The defaults stay with the table, where variables come before them.
    const option = new Option(`${flag} ${values[type]}`.trim(), `${doc} ${shown}`);
    names.set(option.attributeName(), name);
    command.addOption(modes.includes(mode) ? option : option.hideHelp());
  }
  return names;
}

function usable<T>(mode: Mode, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    throw new UsageError(error.message, `See \`dray ${mode === 'models' ? 'models serve' : mode} --help\`.`);
  }
}
