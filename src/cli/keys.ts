/** `dray keys`: who may call the server. It works on the file of the keys, whether a server runs on it or not. */
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { readOption } from '../config/read-config.js';
import { parseDuration } from '../jobs/duration.js';
import { changeKeys, keyFileName, readKeys } from '../keys/key-file.js';
import { newKey, scopes, viewKey, type KeyView, type Scope } from '../keys/key.js';
import { folderDoc, lookOf, type Context, type Handle } from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { formatAge } from './format.js';
import { grid, type Look } from './table.js';
import { print, printJson } from './terminal.js';

interface KeysOptions {
  readonly data?: string;
  readonly keys?: string;
  readonly json?: boolean;
}

interface CreateOptions extends KeysOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly expires?: string;
}

/** Dates above it are none in JavaScript. */
const longestMs = 1_000 * 100 * 365 * 24 * 3_600;

export function addKeys(program: Command, context: Context, handle: Handle): void {
  const keys = program.command('keys').description('create, list and revoke the API keys of a data folder');
  withFolder(keys.command('create'))
    .description('a new key, shown once; a server that runs on the folder takes it within a second')
    .option('--name <name>', 'what the key is for', 'unnamed')
    .addOption(
      new Option('--scope <scope>', 'read: look only; submit: also send jobs and blobs; admin: everything')
        .choices(scopes)
        .default('admin'),
    )
    .option('--expires <time>', 'how long it is good, such as 12h or 90d (default: until it is revoked)')
    .action((options: CreateOptions) => handle(options.json === true, () => create(options, context)));
  withFolder(keys.command('list', { isDefault: true }).alias('ls'))
    .description('the keys that there are; never their text')
    .action((options: KeysOptions) => handle(options.json === true, () => list(options, context)));
  withFolder(keys.command('revoke <id>'))
    .description('a key is good no more, within a second')
    .action((id: string, options: KeysOptions) =>
      handle(options.json === true, () => revoke(id, options, context)),
    );
}

function withFolder(command: Command): Command {
  return command
    .option('--data <folder>', folderDoc)
    .option('--keys <file>', 'the file of the keys (default: DRAY_KEYS, or keys.json in the data folder)')
    .option('--json', 'for machines: one JSON document on stdout, errors as JSON on stderr');
}

async function create(options: CreateOptions, { terminal, clock }: Context): Promise<ExitCode> {
  const { name, scope } = options;
  if (!/^[^\p{Cc}]{1,100}$/u.test(name)) throw new UsageError('--name must be 1 to 100 visible characters');
  const createdAt = new Date(clock.now());
  const expiresAt = options.expires === undefined ? undefined : expiry(options.expires, createdAt);
  const { text, record } = newKey({ name, scope, createdAt, expiresAt });
  await changeKeys(fileOf(options), clock, (keys) => [...keys, record]);
  if (options.json) printJson(terminal.out, { key: text, ...viewKey(record) });
  else {
    // The key alone on stdout, for KEY=$(dray keys create).
    print(terminal.out, text);
    print(terminal.err, `  → Keep it now: it is not shown again. Clients take it from DRAY_API_KEY.`);
  }
  return exitCodes.ok;
}

function expiry(text: string, from: Date): Date {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0 || ms > longestMs) {
    throw new UsageError(`--expires: "${text}" is not a time such as 12h or 90d, up to 100 years`);
  }
  return new Date(from.getTime() + ms);
}

async function list(options: KeysOptions, context: Context): Promise<ExitCode> {
  const keys = (await readKeys(fileOf(options))).map(viewKey);
  if (options.json) printJson(context.terminal.out, { keys });
  else if (keys.length === 0) print(context.terminal.err, 'There are no keys. `dray keys create` makes one.');
  else print(context.terminal.out, keysTable(keys, lookOf(context)));
  return exitCodes.ok;
}

function keysTable(keys: readonly KeyView[], look: Look): string {
  const heads = ['ID', 'NAME', 'SCOPE', 'AGE', 'EXPIRES'];
  return grid([
    heads.map((head) => look.paint('bold', head)),
    ...keys.map(({ id, name, scope, createdAt, expiresAt }) => [
      id,
      name,
      scope,
      formatAge(look.now - Date.parse(createdAt)),
      expiresAt === undefined
        ? 'never'
        : Date.parse(expiresAt) <= look.now
          ? look.paint('red', 'expired')
          : expiresAt,
    ]),
  ]);
}

async function revoke(id: string, options: KeysOptions, { terminal, clock }: Context): Promise<ExitCode> {
  let left = 0;
  await changeKeys(fileOf(options), clock, (keys) => {
    const kept = keys.filter((key) => key.id !== id);
    if (kept.length === keys.length) {
      throw new UsageError(`there is no key ${JSON.stringify(id)}`, '`dray keys list` shows the ids.');
    }
    left = kept.length;
    return kept;
  });
  if (options.json) printJson(terminal.out, { id, left });
  else {
    print(terminal.out, `${id} is revoked`);
    if (left === 0) {
      print(
        terminal.err,
        '  → It was the last one: a server that runs lets nobody in; started anew, it is open to this machine.',
      );
    }
  }
  return exitCodes.ok;
}

function fileOf({ data, keys }: KeysOptions): string {
  if (keys === undefined && data !== undefined) return join(data, keyFileName);
  return readOption('keys', keys) || join(readOption('data', data), keyFileName);
}
