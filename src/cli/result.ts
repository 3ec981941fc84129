import { Option, type Command } from 'commander';
import {
  clientOf,
  Interrupted,
  interruptible,
  progressOf,
  withCommonOptions,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { acceptFor, checkWritable, fetchToFile, fetchToStdout, formats, type Format } from './fetching.js';
import { print, printJson } from './terminal.js';

interface ResultOptions extends CommonOptions {
  readonly output?: string;
  readonly format?: Format;
}

export function addResult(program: Command, context: Context, handle: Handle): void {
  withCommonOptions(program.command('result <id>'))
    .description('fetch the result of a completed job')
    .option(
      '-o, --output <file>',
      'write it here, as .npy or .json by its ending; without it, JSON to stdout',
    )
    .addOption(new Option('--format <format>', 'the form of the result').choices(Object.keys(formats)))
    .action((id: string, options: ResultOptions) =>
      handle(options.json === true, () => result(id, options, context)),
    );
}

async function result(id: string, options: ResultOptions, context: Context): Promise<ExitCode> {
  const { terminal } = context;
  const { output: path, format } = options;
  const client = clientOf(context, options);
  const accept = acceptFor(format, path);
  if (path === undefined && format === 'npy' && terminal.out.isTTY === true) {
    throw new UsageError('.npy is binary, which a terminal cannot show', 'Give a file with -o, or pipe it.');
  }
  if (path !== undefined) await checkWritable(path);
  const progress = progressOf(context, options);
  try {
    return await interruptible(async (signal) => {
      if (path === undefined) await fetchToStdout({ client, id, accept, terminal, signal });
      else {
        const download = await fetchToFile({ client, id, accept, path, progress, signal });
        if (options.json) printJson(terminal.out, { id, file: path, ...download });
      }
      return exitCodes.ok;
    });
  } catch (error) {
    progress.stop();
    if (!(error instanceof Interrupted)) throw error;
    print(terminal.err, '\ndray: stopped; the result is still there to fetch');
    return exitCodes.interrupted;
  } finally {
    progress.stop();
  }
}
