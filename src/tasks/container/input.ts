/** What a container job takes and gives. */
import { Type, type Static } from 'typebox';
import { limits, MiB } from '../../jobs/limits.js';
import { longestBucketUrl } from './bucket-url.js';
import { longestImage } from './image.js';
import { longestWaitMs } from './runtime.js';

/** What a job has beyond its container's time, in ms: the runtime's deadline speaks first, and says more. */
const slackMs = longestWaitMs + 120_000;
const defaultSeconds = 900;

const BucketUrl = (description: string) => Type.String({ maxLength: longestBucketUrl, description });

export const ContainerInput = Type.Object(
  {
    image: Type.String({ maxLength: longestImage, description: 'One that the operator allows.' }),
    name: Type.Optional(
      Type.String({ maxLength: 256, description: 'What the job is called; by default as its image.' }),
    ),
    timeoutSeconds: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: (limits.timeout.max - slackMs) / 1_000,
        description: `What runs longer is killed, and has failed; ${defaultSeconds} by default.`,
      }),
    ),
    inputBucketUrl: BucketUrl(
      'http(s)://host:port/bucket or …/bucket/prefix; the variable INPUT_BUCKET_URL.',
    ),
    outputBucketUrl: Type.Optional(
      BucketUrl('The variable OUTPUT_BUCKET_URL; by default the bucket of the input.'),
    ),
    env: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'More variables. Nothing secret: jobs are read.',
      }),
    ),
    cpus: Type.Optional(Type.Number({ minimum: 0.01, description: 'Of one core.' })),
    memory: Type.Optional(
      Type.Integer({ minimum: 6 * MiB, description: 'Bytes; what takes more is killed.' }),
    ),
  },
  { additionalProperties: false },
);
export type ContainerInput = Static<typeof ContainerInput>;

export const ContainerOutput = Type.Object({
  name: Type.String({ description: 'Of the container.' }),
  exitCode: Type.Integer(),
  durationMs: Type.Number({ description: 'From its start to its end.' }),
  log: Type.Object({ blob: Type.String() }, { description: 'What it printed, as text.' }),
  outputBucketUrl: Type.String(),
  files: Type.Array(Type.Object({ key: Type.String(), size: Type.Number() }), {
    description: 'What was in the output bucket when the container had ended.',
  }),
  filesTruncated: Type.Optional(Type.Boolean({ description: 'True where the bucket has more.' })),
  filesError: Type.Optional(Type.String({ description: 'Why they are not known, where they are not.' })),
});
export type ContainerOutput = Static<typeof ContainerOutput>;

/** The container's own time, in ms. */
export function containerTimeoutMs({ timeoutSeconds = defaultSeconds }: ContainerInput): number {
  return Math.ceil(1_000 * timeoutSeconds);
}

/** The job's, in ms. */
export function jobTimeoutMs(input: ContainerInput): number {
  return containerTimeoutMs(input) + slackMs;
}
