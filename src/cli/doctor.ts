/** `dray doctor`: what is wrong with a data folder, or with a deployment on several servers. */
import type { Command } from 'commander';
import { readOption, readServers, requireServers, type Servers } from '../config/read-config.js';
import type { Finding } from '../jobs/diagnosis.js';
import { DrayError } from '../jobs/errors.js';
import type { InvariantReport } from '../jobs/invariants.js';
import { folderDoc, type Context, type Handle } from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { waitForServers } from './server-wait.js';
import { grid } from './table.js';
import { print, printJson, type Terminal } from './terminal.js';

/** What is looked at: the folder of `dray serve`, or the servers of a deployment. */
export type Patient =
  | { readonly data: string; readonly server?: string }
  | { readonly servers: Servers; readonly prefix: string };

/** A release in Kubernetes; by default all of Dray in the namespace of the context. */
export interface KubernetesPlace {
  readonly release: string | undefined;
  readonly namespace: string | undefined;
}

/** Checks the promises: of a data folder that no server has open, or of a deployment. */
export type CheckInvariants = (patient: Patient) => Promise<InvariantReport>;

/** Looks at the machine, the data folder and the server, or at the servers and processes of a deployment. */
export type Diagnose = (patient: Patient) => Promise<readonly Finding[]>;

/** All that the command can have looked at. */
export interface Doctors {
  readonly checkInvariants: CheckInvariants;
  readonly diagnose: Diagnose;
  /** Looks at what a process of a deployment needs to start. */
  readonly diagnoseServers: (servers: Servers) => Promise<readonly Finding[]>;
  readonly diagnoseKubernetes: (place: KubernetesPlace) => Promise<readonly Finding[]>;
  /** Looks at a folder of models, and at what runs them. */
  readonly diagnoseModels: (folder: string) => Promise<readonly Finding[]>;
}

interface DoctorOptions {
  readonly invariants?: boolean;
  readonly data?: string;
  readonly server?: string;
  readonly queue?: string;
  readonly state?: string;
  readonly blobs?: string;
  readonly models?: string;
  readonly queuePrefix?: string;
  readonly kubernetes?: boolean;
  readonly release?: string;
  readonly namespace?: string;
  readonly wait?: string;
  readonly json?: boolean;
}

export function addDoctor(program: Command, context: Context, handle: Handle, doctors: Doctors): void {
  program
    .command('doctor')
    .description(
      'check this machine, the data folder and the server, or the servers of a deployment; exit code 1 where something is wrong',
    )
    .option(
      '--invariants',
      'instead: every promise about jobs, results, leases, completions and keys; a data folder while no server has it',
    )
    .option('--data <folder>', folderDoc)
    .option('--server <address>', 'the server (default: DRAY_SERVER, or http://127.0.0.1:8080)')
    .option('--queue <address>', 'of a deployment, RabbitMQ (default: DRAY_QUEUE)')
    .option('--state <address>', 'of a deployment, Redis (default: DRAY_STATE)')
    .option('--blobs <address>', 'of a deployment, where large data is (default: DRAY_BLOBS)')
    .option('--models <folder>', 'also: the models that are to be served (default: DRAY_MODELS)')
    .option('--queue-prefix <name>', 'of a deployment (default: DRAY_QUEUE_PREFIX, or dray)')
    .option(
      '--kubernetes',
      'what Dray is in Kubernetes: pods, Secrets, rights, and whether HPAs read its figure; of the cluster of KUBECONFIG or around this pod',
    )
    .option('--release <name>', 'with --kubernetes: of helm (default: all in the namespace)')
    .option('--namespace <name>', 'with --kubernetes (default: that of the context, or of this pod)')
    .option(
      '--wait <time>',
      'of a deployment: look at its servers again and again until they can be used, such as 60s; exit code 1 where that takes longer',
    )
    .option('--json', 'for machines: one JSON document on stdout, errors as JSON on stderr')
    .action((options: DoctorOptions) =>
      handle(options.json === true, () => examine(options, context, doctors)),
    );
}

async function examine(options: DoctorOptions, context: Context, doctors: Doctors): Promise<ExitCode> {
  const { terminal } = context;
  if (options.kubernetes !== true && (options.release ?? options.namespace) !== undefined) {
    throw new UsageError('--release and --namespace go with --kubernetes.', 'See `dray doctor --help`.');
  }
  const patient = patientOf(options);
  if (options.wait !== undefined) {
    if (!('servers' in patient)) {
      throw new UsageError(
        '--wait is for the servers of a deployment.',
        'Name them: --queue, --state, --blobs.',
      );
    }
    const look = (): Promise<readonly Finding[]> => doctors.diagnoseServers(patient.servers);
    return waitForServers({ ...context, time: options.wait, json: options.json === true, look });
  }
  if (options.invariants !== true) {
    const models = readOption('models', options.models);
    const findings = [
      ...(options.kubernetes === true ? await doctors.diagnoseKubernetes(placeOf(options)) : []),
      // Past one machine both are of interest, where both can be reached.
      ...(options.kubernetes !== true || 'servers' in patient ? await doctors.diagnose(patient) : []),
      ...(models === '' ? [] : await doctors.diagnoseModels(models)),
    ];
    if (options.json) printJson(terminal.out, { findings });
    else print(terminal.out, describeFindings(findings, terminal));
    return findings.some(({ state }) => state === 'wrong') ? exitCodes.failed : exitCodes.ok;
  }
  const report = await doctors.checkInvariants(patient);
  if (options.json) printJson(terminal.out, report);
  else print(terminal.out, describeReport(report));
  return report.violations.length === 0 ? exitCodes.ok : exitCodes.failed;
}

function placeOf({ release, namespace }: DoctorOptions): KubernetesPlace {
  return { release, namespace };
}

/** A deployment where any of its servers is named; `--data` says that it is a folder, whatever the environment holds. */
function patientOf(options: DoctorOptions): Patient {
  const { data, server, queue, state, blobs, queuePrefix } = options;
  try {
    const given = queue !== undefined || state !== undefined || blobs !== undefined;
    const servers = readServers({ queue, state, blobs });
    if (Object.keys(servers).length > 0 && (given || data === undefined)) {
      requireServers(servers, 'dray doctor');
      return { servers, prefix: readOption('queuePrefix', queuePrefix) };
    }
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    throw new UsageError(error.message, 'See `dray doctor --help`.');
  }
  return { data: readOption('data', data), ...(server !== undefined && { server }) };
}

const stateColours = { ok: 'green', warning: 'yellow', wrong: 'red' } as const;

/** A line for each finding, and below it what to do. */
export function describeFindings(findings: readonly Finding[], { paint }: Pick<Terminal, 'paint'>): string {
  const rows = findings.flatMap(({ check, state, detail, advice }) => [
    [check, paint(stateColours[state], state), detail],
    ...(advice === undefined ? [] : [['', '', `→ ${advice}`]]),
  ]);
  return grid([['CHECK', 'STATE', 'FOUND'].map((head) => paint('bold', head)), ...rows]);
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
    `${violations.length + more} promises are broken; ${seen}. Keep a copy of the data, and report it.`,
  ].join('\n');
}
