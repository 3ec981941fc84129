/**
 * The job type `container`: runs an image between two buckets. The container outlives the attempt that has started it;
 * the next attempt goes on with it. What a final job leaves is removed by the keeper (control/containers.ts), so that
 * nothing is lost between the end of a run and the write that ends its job.
 */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { defineTask } from '../task.js';
import { Resolver, type Lookup } from './address.js';
import type { Buckets } from './bucket.js';
import { ContainerInput, ContainerOutput, jobTimeoutMs } from './input.js';
import { ContainerPlaces } from './places.js';
import type { ContainerRules } from './rules.js';
import { ContainerRuns } from './run.js';
import type { ContainerRuntime } from './runtime.js';

export const containerType = 'container';

/** What it takes to run the jobs. */
export interface ContainerHost {
  readonly runtime: ContainerRuntime;
  readonly buckets: Buckets;
  /** Jobs at a time in this process. */
  readonly slots: number;
}

/** @param options.host absent in processes that only admit the jobs. */
export function createContainer(options: {
  rules: ContainerRules;
  clock: Clock;
  host?: ContainerHost;
  /** By default the machine's own. */
  lookup?: Lookup;
}) {
  const { host, rules } = options;
  const places = new ContainerPlaces({ rules, resolver: new Resolver(options) });
  const runs = host && new ContainerRuns({ ...options, ...host, places });
  return defineTask({
    type: containerType,
    description: 'Runs a container between two buckets, and keeps what it prints.',
    input: ContainerInput,
    output: ContainerOutput,
    inline: true,
    ...(host && { slots: host.slots, resumes: true }),
    timeoutMs: jobTimeoutMs,
    admit: (input) => places.admit(input),
    run: (input, context): Promise<ContainerOutput> => {
      if (runs) return runs.run(input, context);
      throw new DrayError('unavailable', 'this process runs no containers');
    },
  });
}
