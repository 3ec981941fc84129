/** `dray doctor`: what is wrong with a data folder. */
import type { Command } from 'commander';
import type { InvariantReport } from '../jobs/invariants.js';
import type { Context, Handle } from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { print, printJson } from './terminal.js';

/** Checks a data folder that no server has open. */
export type CheckFolder = (data: string) => Promise<InvariantReport>;

interface DoctorOptions {
  readonly invariants?: boolean;
  readonly data: string;
  readonly json?: boolean;
}

export function addDoctor(
  program: Command,
  context: Context,
  handle: Handle,
  checkFolder: CheckFolder,
): void {
  program
    .command('doctor')
    .description('check a data folder while no server has it open; exit code 1 where something is wrong')
    .option('--invariants', 'every promise about jobs, results, leases, completions and keys')
    .option('--data <folder>', 'folder of the database and the blobs', './.dray')
    .option('--json', 'for machines: one JSON document on stdout, errors as JSON on stderr')
    .action((options: DoctorOptions) =>
      handle(options.json === true, () => examine(options, context, checkFolder)),
    );
}

async function examine(
  options: DoctorOptions,
  { terminal }: Context,
  checkFolder: CheckFolder,
): Promise<ExitCode> {
  if (options.invariants !== true) {
    throw new UsageError('say what to check: --invariants', 'See `dray doctor --help`.');
  }
  const report = await checkFolder(options.data);
  if (options.json) printJson(terminal.out, report);
  else print(terminal.out, describeReport(report));
  return report.violations.length === 0 ? exitCodes.ok : exitCodes.failed;
}

/** One line for each violation, and one that sums up. */
export function describeReport({ jobs, completions, violations, more }: InvariantReport): string {
  const seen = `${jobs} jobs and ${completions} completions looked at`;
  if (violations.length === 0) return `Every promise holds: ${seen}.`;
  return [
    ...violations.map(
      ({ invariant, job, detail }) => `${invariant}: ${job === undefined ? '' : `job ${job}: `}${detail}`,
    ),
    ...(more > 0 ? [`and ${more} more`] : []),
    `${violations.length + more} promises are broken; ${seen}. Keep a copy of the folder, and report it.`,
  ].join('\n');
}
