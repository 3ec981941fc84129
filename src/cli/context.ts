/** What all commands that talk to a server share: their options, the client, and Ctrl-C. */
import type { Command } from 'commander';
import { DrayClient, type AnyTasks } from '../client/index.js';
import type { Clock } from '../clock.js';
import { apiKey, serverAddress } from '../config/client.js';
import type { ExitCode } from './failure.js';
import { createProgress, type Progress } from './progress.js';
import type { Look } from './table.js';
import type { Terminal } from './terminal.js';

export interface Context {
  readonly terminal: Terminal;
  readonly clock: Clock;
}

export interface CommonOptions {
  readonly server?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Of `--data`, for commands that work on a folder and not on a server. */
export const folderDoc =
  'the data folder of the server (default: DRAY_DATA, the file of DRAY_CONFIG, or ./.dray)';

/** Adds the options that every command of the client has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--server <address>', 'the server (default: DRAY_SERVER, or http://127.0.0.1:8080)')
    .option('--api-key <key>', 'better in DRAY_API_KEY: other users of the machine see the flags of commands')
    .option('--json', 'for machines: one JSON document on stdout, errors as JSON on stderr')
    .option('-q, --quiet', 'no progress and no remarks');
}

/** Runs a handler; the program exits with what it returns. */
export type Handle = (json: boolean, handler: () => Promise<ExitCode>) => Promise<void>;

/** The client that commands use: of any job type, since only the server knows which there are. */
export type CommandClient = DrayClient<AnyTasks>;

/** People see at once that no server is there; a moment covers a connection that just broke. In ms. */
const patienceMs = 500;

export function clientOf(context: Context, options: CommonOptions): CommandClient {
  return new DrayClient({
    baseUrl: serverAddress(options.server),
    apiKey: apiKey(options.apiKey),
    patienceMs,
    clock: context.clock,
  });
}

/** Names the same server in a command that the user is told to type. */
export function serverFlag(options: CommonOptions): string {
  return options.server === undefined ? '' : ` --server ${options.server}`;
}

export function progressOf(context: Context, options: CommonOptions): Progress {
  return createProgress(context.terminal.err, options.json === true || options.quiet === true);
}

export function lookOf({ terminal, clock }: Context): Look {
  return { now: clock.now(), width: terminal.width, paint: terminal.paint };
}

/** The user pressed Ctrl-C: not an error, and what to say about it depends on how far the command was. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Runs `work` with a signal that Ctrl-C aborts; a second Ctrl-C ends the process as usual. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Interrupted('stopped by Ctrl-C'));
  process.once('SIGINT', interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}
