/** `dray jobs cancel` and `dray jobs redrive` without an id: all jobs that fit a filter. */
import { Option, type Command } from 'commander';
import type { BulkChange } from '../contract/queue.js';
import { statuses, type Status } from '../jobs/life-cycle.js';
import { clientOf, withCommonOptions, type CommonOptions, type Context } from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { print, printJson } from './terminal.js';

export interface ChangeOptions extends CommonOptions {
  readonly status?: Status;
  readonly type?: string;
  readonly label?: string;
  readonly all?: boolean;
  readonly yes?: boolean;
}

/** Adds the options by which jobs are chosen where no id is given. */
export function withFilter(command: Command, change: 'cancel' | 'redrive'): Command {
  withCommonOptions(command)
    .option('--type <type>', 'all jobs of this type')
    .option('--label <name=value>', 'all jobs with this label')
    .option('--all', 'all jobs');
  if (change === 'redrive') return command;
  return command
    .addOption(new Option('--status <status>', 'all jobs in this status').choices(statuses))
    .option('--yes', 'mean it: needed where no id is given');
}

/** @throws UsageError where an id and a filter are given: it is not plain which is meant. */
export function refuseFilter(options: ChangeOptions): void {
  const { status, type, label, all } = options;
  if (status === undefined && type === undefined && label === undefined && !all) return;
  throw new UsageError('give either an id or a filter, not both');
}

/** Cancels until no job is left that fits; re-drives as many as one request may. */
export async function changeAll(
  change: 'cancel' | 'redrive',
  options: ChangeOptions,
  context: Context,
): Promise<ExitCode> {
  const { status, type, label, all } = options;
  const filter: BulkChange = {
    ...(status === undefined ? {} : { status }),
    ...(type === undefined ? {} : { type }),
    ...(label === undefined ? {} : { label }),
    ...(all ? { all: true as const } : {}),
  };
  if (Object.keys(filter).length === 0) throw new UsageError('give the id of a job, or a filter, or --all');
  if (change === 'cancel' && !options.yes)
    throw new UsageError('every job that fits would be cancelled', 'If that is meant, add --yes.');
  const client = clientOf(context, options);
  if (change === 'cancel') report({ changed: await client.cancelAll(filter), more: false });
  else report(await client.redriveAll(filter));
  return exitCodes.ok;

  function report(result: { changed: number; more: boolean }): void {
    if (options.json) printJson(context.terminal.out, result);
    if (options.json || options.quiet) return;
    const jobs = result.changed === 1 ? '1 job' : `${result.changed} jobs`;
    const more = result.more ? '; there may be more' : '';
    print(context.terminal.out, `${jobs} ${change === 'cancel' ? 'cancelled' : 're-driven'}${more}`);
  }
}
