/** The `dray` command. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { Clock } from '../clock.js';
import type { Context, Handle } from './context.js';
import { exitCodeHelp, exitCodes, tell, type ExitCode } from './failure.js';
import { addDoctor, type Doctors } from './doctor.js';
import { addJobs } from './jobs.js';
import { addKeys } from './keys.js';
import { addQueues } from './queues.js';
import { addResult } from './result.js';
import { addScale } from './scale.js';
import { addServers, type Servers } from './servers.js';
import { addSubmit } from './submit.js';
import type { Terminal } from './terminal.js';

export interface ProgramParams extends Servers, Doctors {
  readonly terminal: Terminal;
  readonly clock: Clock;
}

export interface Program {
  readonly command: Command;
  /** Runs the command line. Never rejects: what goes wrong is written to stderr. */
  run(argv: readonly string[]): Promise<ExitCode>;
}

export function buildProgram(params: ProgramParams): Program {
  const context: Context = { terminal: params.terminal, clock: params.clock };
  let exitCode: ExitCode = exitCodes.ok;
  const handle: Handle = async (json, handler) => {
    try {
      exitCode = await handler();
    } catch (error) {
      exitCode = tell(params.terminal, error, json);
    }
  };

  const command = new Command('dray')
    .description('Takes heavy compute off a web backend: submit a job, workers run it, fetch the result.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('  → Add --help to see how it is used.')
    .configureOutput({
      writeOut: (text) => void params.terminal.out.write(text),
      writeErr: (text) => void params.terminal.err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'dray: ')),
    })
    .addHelpText('after', exitCodeHelp);
  addServers(command, params, handle);
  addSubmit(command, context, handle);
  addJobs(command, context, handle);
  addQueues(command, context, handle);
  addResult(command, context, handle);
  addScale(command, context, handle);
  addKeys(command, context, handle);
  addDoctor(command, context, handle, params);

  return {
    command,
    async run(argv) {
      try {
        await command.parseAsync(argv);
      } catch (error) {
        // Commander throws where it has printed help, a version or a usage error, and the exit code tells which.
        if (!(error instanceof CommanderError)) throw error;
        exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
      }
      return exitCode;
    },
  };
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
