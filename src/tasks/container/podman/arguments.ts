/** The arguments by which podman and docker make a container as it is asked for. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerName } from '../name.js';
import type { ContainerSpec, PodmanOptions } from '../runtime.js';
import { labels } from './inspection.js';

/** What a container's log may take on disk: more than what of it is kept, with the times that are written with it. */
const maxLog = '128m';
/** A container that forks without end takes its own share alone. */
const maxProcesses = 1024;
/** Podman itself ends what runs for so much longer than it may, in s, for the case that no process of Dray lives. */
const late = 10;

/**
 * The arguments of `run`; the file that they name is no longer needed once it has run.
 * @param folder the container's own, empty: folder.ts.
 */
export async function writeArguments(params: {
  spec: ContainerSpec;
  image: string;
  folder: string;
  options: PodmanOptions;
}): Promise<{ readonly args: readonly string[]; readonly file: string }> {
  const { spec, image, folder } = params;
  const { program, owner, envFile, args } = params.options;
  const variables = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`);
  // In a file, which is its owner's alone, as anybody on the machine may read the arguments of a process.
  const file = join(folder, 'env');
  await writeFile(file, `${variables.filter(fitsFile).join('\n')}\n`, { mode: 0o600 });
  const own = [
    'run',
    '--detach',
    `--name=${containerName(spec.name, spec.jobId)}`,
    `--label=${labels.job}=${spec.jobId}`,
    `--label=${labels.owner}=${owner}`,
    `--label=${labels.timeout}=${spec.timeoutMs}`,
    `--label=${labels.folder}=${folder}`,
    '--pull=never',
    `--cpus=${spec.cpus}`,
    `--memory=${spec.memory}b`,
    `--memory-swap=${spec.memory}b`,
    `--pids-limit=${maxProcesses}`,
    '--cap-drop=all',
    '--security-opt=no-new-privileges',
    `--log-driver=${program === 'docker' ? 'json-file' : 'k8s-file'}`,
    `--log-opt=max-size=${maxLog}`,
    // By itself podman gives containers the server's proxy, with the password in its address.
    ...(program === 'podman'
      ? ['--http-proxy=false', `--timeout=${Math.ceil(spec.timeoutMs / 1000) + late}`]
      : []),
    // The last one counts, so that the operator's file cannot change what the job is given.
    ...(envFile === undefined ? [] : [`--env-file=${envFile}`]),
    `--env-file=${file}`,
    ...variables.filter((variable) => !fitsFile(variable)).map((variable) => `--env=${variable}`),
  ];
  return { args: [...own, ...args, '--', image], file };
}

/** Whether every version reads the line as it is: some of podman's take quotes, $ and # for more than characters. */
function fitsFile(variable: string): boolean {
  return /^\w+=(?:[^\s'"`\\$#*\p{Cc}]+)$/u.test(variable);
}
