/** `dray queues`: what there is of each job type, and stopping its hand-out for a while. */
import type { Command } from 'commander';
import type { Queue } from '../contract/queue.js';
import {
  clientOf,
  lookOf,
  withCommonOptions,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, type ExitCode } from './failure.js';
import { formatDuration } from './format.js';
import { grid, type Look } from './table.js';
import { print, printJson } from './terminal.js';

export function addQueues(program: Command, context: Context, handle: Handle): void {
  const queues = program.command('queues').description('look at the job types, pause and resume them');
  withCommonOptions(queues.command('list', { isDefault: true }).alias('ls'))
    .description('what there is of each job type')
    .action((options: CommonOptions) => handle(options.json === true, () => list(options, context)));
  for (const [action, description, done] of [
    ['pause', 'stop the hand-out of a job type; what runs goes on', 'paused'],
    ['resume', 'go on with the hand-out of a job type', 'handed out again'],
  ] as const) {
    withCommonOptions(queues.command(`${action} <type>`))
      .description(description)
      .action((type: string, options: CommonOptions) =>
        handle(options.json === true, async () => {
          const queue = await clientOf(context, options)[action](type);
          if (options.json) printJson(context.terminal.out, queue);
          else if (!options.quiet) print(context.terminal.out, `${type} is ${done}`);
          return exitCodes.ok;
        }),
      );
  }
}

async function list(options: CommonOptions, context: Context): Promise<ExitCode> {
  const queues = await clientOf(context, options).queues();
  if (options.json) printJson(context.terminal.out, { queues });
  else print(context.terminal.out, queuesTable(queues, lookOf(context)));
  return exitCodes.ok;
}

function queuesTable(queues: readonly Queue[], look: Look): string {
  const heads = ['TYPE', 'PENDING', 'HELD', 'SCHEDULED', 'RUNNING', 'FAILED', 'OLDEST', 'MEAN', 'NOTE'];
  return grid([
    heads.map((head) => look.paint('bold', head)),
    ...queues.map(({ type, jobs, held, oldestAgeSeconds: oldest, meanSeconds: mean, ...queue }) => [
      type,
      String(jobs.pending),
      String(held),
      String(jobs.scheduled),
      String(jobs['in-progress']),
      jobs.failed > 0 ? look.paint('red', String(jobs.failed)) : '0',
      oldest > 0 ? formatDuration(1_000 * oldest) : '',
      mean === undefined ? '' : formatDuration(1_000 * mean),
      queue.paused ? look.paint('yellow', 'paused') : queue.slots === 0 ? 'no worker serves it' : '',
    ]),
  ]);
}
