/** The options of container jobs (docs/containers.md), and of the door whose messages become such jobs. */
import { MiB } from '../jobs/limits.js';
import type { Mode, Option } from './option.js';

/** What the options of this file set in Config. */
export interface ContainerConfig {
  readonly containers: 'off' | 'kubernetes' | 'podman' | 'docker';
  readonly containerSlots: number;
  readonly containerImages: readonly string[];
  readonly containerEnv: readonly string[];
  readonly bucketHosts: readonly string[];
  readonly bucketCredentials: string | undefined;
  readonly containerCpus: number;
  readonly containerMemory: number;
  readonly containerMaxCpus: number;
  readonly containerMaxMemory: number;
  readonly containerNamespace: string | undefined;
  readonly containerSecret: string | undefined;
  readonly containerServiceAccount: string | undefined;
  readonly containerRoot: boolean;
  readonly containerEnvFile: string | undefined;
  readonly containerArgs: readonly string[];
  readonly mstcQueue: string;
  readonly mstcAmqp: string | undefined;
  readonly mstcResults: string;
}

/** Those that take the jobs, and those that run them. */
const admitting: readonly Mode[] = ['serve', 'api', 'worker'];
const running: readonly Mode[] = ['serve', 'worker'];

export const containerOptions: readonly Option[] = [
  {
    name: 'containers',
    flag: '--containers',
    variable: 'DRAY_CONTAINERS',
    modes: admitting,
    type: 'string',
    default: 'off',
    values: ['off', 'kubernetes', 'podman', 'docker'],
    doc: 'what runs the jobs of type container: the cluster of KUBECONFIG or the one that Dray is in, the podman or the docker of this machine, or nothing: then there is no such type',
  },
  {
    name: 'containerImages',
    flag: '--container-images',
    variable: 'DRAY_CONTAINER_IMAGES',
    modes: admitting,
    type: 'list',
    default: '',
    doc: 'the images that may run, between commas (default: none), such as `docker.io/mstc/*` or `ghcr.io/team/work:1.*`; `*` stands for anything within a part, and as the last part for all below',
  },
  {
    name: 'containerEnv',
    flag: '--container-env',
    variable: 'DRAY_CONTAINER_ENV',
    modes: admitting,
    type: 'list',
    default: '',
    doc: 'the variables that clients may set in their containers, between commas (default: none), by name or as `PREFIX_*`',
  },
  {
    name: 'bucketHosts',
    flag: '--bucket-hosts',
    variable: 'DRAY_BUCKET_HOSTS',
    modes: admitting,
    type: 'list',
    default: '',
    doc: 'the servers whose buckets containers may be given, between commas (default: none): `host`, `host:port`, or `*.domain` for all below',
  },
  {
    name: 'bucketCredentials',
    flag: '--bucket-credentials',
    variable: 'DRAY_BUCKET_CREDENTIALS',
    modes: running,
    type: 'string',
    doc: 'file with what it takes to list output buckets, `{"minio:9000": {"accessKey": "…", "secretKey": "…"}}`; others are asked without (default: none)',
  },
  {
    name: 'containerSlots',
    flag: '--container-slots',
    variable: 'DRAY_CONTAINER_SLOTS',
    modes: running,
    type: 'integer',
    min: 1,
    max: 10_000,
    doc: 'how many container jobs a process runs at a time (default: 50 on kubernetes; one a core by podman and docker)',
  },
  {
    name: 'containerCpus',
    flag: '--container-cpus',
    variable: 'DRAY_CONTAINER_CPUS',
    modes: admitting,
    type: 'number',
    default: '1',
    min: 0.01,
    max: 1_024,
    doc: 'cores of a container whose job does not say',
  },
  {
    name: 'containerMaxCpus',
    flag: '--container-max-cpus',
    variable: 'DRAY_CONTAINER_MAX_CPUS',
    modes: admitting,
    type: 'number',
    default: '4',
    min: 0.01,
    max: 1_024,
    doc: 'the most cores that a job may ask for',
  },
  {
    name: 'containerMemory',
    flag: '--container-memory',
    variable: 'DRAY_CONTAINER_MEMORY',
    modes: admitting,
    type: 'bytes',
    default: '1g',
    min: 6 * MiB,
    doc: 'memory of a container whose job does not say; one that takes more is killed',
  },
  {
    name: 'containerMaxMemory',
    flag: '--container-max-memory',
    variable: 'DRAY_CONTAINER_MAX_MEMORY',
    modes: admitting,
    type: 'bytes',
    default: '8g',
    min: 6 * MiB,
    doc: 'the most memory that a job may ask for',
  },
  {
    name: 'containerNamespace',
    flag: '--container-namespace',
    variable: 'DRAY_CONTAINER_NAMESPACE',
    modes: running,
    type: 'name',
    doc: 'kubernetes: the namespace of the Jobs (default: the one of the context, or that Dray is in)',
  },
  {
    name: 'containerSecret',
    flag: '--container-secret',
    variable: 'DRAY_CONTAINER_SECRET',
    modes: running,
    type: 'string',
    doc: 'kubernetes: a Secret whose keys all containers get as variables, such as the credentials of the buckets',
  },
  {
    name: 'containerServiceAccount',
    flag: '--container-service-account',
    variable: 'DRAY_CONTAINER_SERVICE_ACCOUNT',
    modes: running,
    type: 'string',
    doc: 'kubernetes: the service account of the containers, without its token; it may have secrets to pull images with',
  },
  {
    name: 'containerRoot',
    flag: '--container-root',
    variable: 'DRAY_CONTAINER_ROOT',
    modes: running,
    type: 'switch',
    default: 'false',
    doc: 'kubernetes: images that run as root may start; by default they fail',
  },
  {
    name: 'containerEnvFile',
    flag: '--container-env-file',
    variable: 'DRAY_CONTAINER_ENV_FILE',
    modes: running,
    type: 'string',
    doc: 'podman, docker: a file of lines NAME=value that all containers get as variables, such as the credentials of the buckets',
  },
  {
    name: 'containerArgs',
    flag: '--container-args',
    variable: 'DRAY_CONTAINER_ARGS',
    modes: running,
    type: 'list',
    default: '',
    doc: 'podman, docker: more arguments of run, between commas, such as `--network=host,--runtime=runc`',
  },
  {
    name: 'mstcQueue',
    flag: '--mstc-queue',
    variable: 'DRAY_MSTC_QUEUE',
    modes: ['serve', 'api'],
    type: 'name',
    default: 'mstc.work',
    doc: 'the queue from which messages of MSTC clients become container jobs',
  },
  {
    name: 'mstcAmqp',
    flag: '--mstc-amqp',
    variable: 'DRAY_MSTC_AMQP',
    modes: ['serve', 'api', 'controller'],
    type: 'address',
    schemes: ['amqp', 'amqps'],
    doc: 'the RabbitMQ of MSTC clients (default: that of --queue; `dray serve` has none)',
  },
  {
    name: 'mstcResults',
    flag: '--mstc-results',
    variable: 'DRAY_MSTC_RESULTS',
    modes: ['serve', 'api', 'controller'],
    type: 'name',
    default: 'mstc.results',
    doc: 'the queue that gets every reply to MSTC clients, beside the one that a message names',
  },
];
