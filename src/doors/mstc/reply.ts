/** What MSTC's clients are told of a job that has ended, over HTTP and AMQP alike. */
import { Type, type Static } from 'typebox';
import type { BlobStore } from '../../blobs/blob-store.js';
import { loadPayload } from '../../blobs/payload.js';
import type { Job } from '../../engine/engine.js';
import { DrayError } from '../../jobs/errors.js';
import { KiB, MiB } from '../../jobs/limits.js';
import type { ContainerInput, ContainerOutput } from '../../tasks/container/input.js';

export const Reply = Type.Object({
  jobName: Type.String(),
  status: Type.Union([Type.Literal('completed'), Type.Literal('failed'), Type.Literal('cancelled')]),
  duration: Type.Integer({ description: 'How long the container ran, in ms.' }),
  output: Type.String({ description: 'The last 16 KiB of what it printed.' }),
  outputBucketUrl: Type.String(),
  files: Type.Array(Type.Object({ key: Type.String(), size: Type.Number() })),
  filesTruncated: Type.Optional(Type.Literal(true, { description: 'There are more files than these.' })),
  filesError: Type.Optional(Type.String({ description: 'Why they are not known, where they are not.' })),
  code: Type.Optional(Type.String({ description: 'Why it is not completed, as one word.' })),
  error: Type.Optional(Type.String({ description: 'Why it is not completed.' })),
});
export type Reply = Static<typeof Reply>;

/** What they are told of one that has not ended. */
export const Accepted = Type.Object({
  jobName: Type.String(),
  id: Type.String({ format: 'uuid' }),
  status: Type.Union([Type.Literal('submitted'), Type.Literal('running')]),
  url: Type.String({ description: 'Where the reply will be.' }),
});
export type Accepted = Static<typeof Accepted>;

/** Bytes of the log that are told, and of the list of files. */
const outputLimit = 16 * KiB;
const filesLimit = 4 * MiB;

/** What is told is taken from a container's input, and from its result or the details of its failure. */
type Told = Partial<ContainerInput> & Partial<ContainerOutput>;

/**
 * @param job one that has ended.
 * @throws DrayError `unavailable` where the blobs are away.
 */
export async function replyOf(job: Job, blobs: BlobStore): Promise<Reply> {
  const input = await load(job.input, blobs);
  const told = job.result ? await load(job.result, blobs) : ((job.error?.details ?? {}) as Told);
  const { files, cut } = bounded(told.files ?? []);
  const status = job.status === 'completed' || job.status === 'cancelled' ? job.status : 'failed';
  return {
    jobName: input.name ?? '',
    status,
    duration: Math.round(told.durationMs ?? 0),
    output: told.log ? ((await unlessGone(tailOf(told.log.blob, blobs))) ?? '') : '',
    outputBucketUrl: told.outputBucketUrl ?? input.outputBucketUrl ?? input.inputBucketUrl ?? '',
    files,
    ...((cut || told.filesTruncated === true) && { filesTruncated: true }),
    ...(told.filesError !== undefined && { filesError: told.filesError }),
    ...reasonOf(job),
  };
}

export async function acceptedOf(job: Job, blobs: BlobStore): Promise<Accepted> {
  const { name = '' } = await load(job.input, blobs);
  const status = job.status === 'in-progress' ? 'running' : 'submitted';
  return { jobName: name, id: job.id, status, url: `/processRequest/${job.id}` };
}

function reasonOf({ status, error }: Job): Pick<Reply, 'code' | 'error'> {
  if (status === 'completed') return {};
  if (status === 'cancelled') return { code: 'cancelled', error: 'the job was cancelled' };
  return { code: error?.code ?? 'internal', error: error?.message ?? 'the job failed' };
}

/** A message has a bound, a bucket has none. */
function bounded(files: Reply['files']): { files: Reply['files']; cut: boolean } {
  let bytes = 0;
  const end = files.findIndex((file) => (bytes += JSON.stringify(file).length + 1) > filesLimit);
  return end === -1 ? { files, cut: false } : { files: files.slice(0, end), cut: true };
}

async function load(payload: Job['input'], blobs: BlobStore): Promise<Told> {
  return (await unlessGone(loadPayload(blobs, payload))) ?? {};
}

async function tailOf(id: string, blobs: BlobStore): Promise<string> {
  const { size = 0 } = (await blobs.stat({ id })) ?? {};
  const target = Buffer.allocUnsafe(Math.min(size, outputLimit));
  const offset = size - target.length;
  if (target.length > 0) await blobs.readInto({ id, offset, target });
  return wholeCharacters(target, { cut: offset > 0 });
}

/** @param params.cut true where the bytes begin somewhere in a text: maybe in the middle of a character. */
export function wholeCharacters(bytes: Uint8Array, { cut }: { cut: boolean }): string {
  let start = 0;
  while (cut && start < 3 && (bytes[start]! & 0xc0) === 0x80) start += 1;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start).toString('utf8');
}

/** What a blob gives, unless retention has removed it meanwhile. */
async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DrayError && error.code === 'blob-not-found') return undefined;
    throw error;
  }
}
