/** What MSTC's clients ask for, over HTTP and AMQP alike, as a job of the type `container`. */
import type { SubmitJob } from '../../contract/job.js';
import { DrayError } from '../../jobs/errors.js';
import { KiB, MiB } from '../../jobs/limits.js';
import { RawValueSink } from '../../json/raw.js';
import { readJson, type Bytes } from '../../json/read.js';
import { containerType } from '../../tasks/container/index.js';
import type { ContainerInput } from '../../tasks/container/input.js';

/** Bytes of a request: far more than it can need. */
export const requestLimit = MiB;

/** What `timeOut` means where it is absent or 0, and the most that it may be, in minutes. */
const usualMinutes = 15;
const mostMinutes = 10_000;
/** Characters. */
const longest = { image: 512, jobName: 256, inputBucketUrl: 2 * KiB, outputBucketUrl: 2 * KiB } as const;

type Members = Readonly<Record<string, unknown>>;

/** The members of the request, not checked yet. @throws DrayError `invalid-json`, `body-too-large`, `invalid-request`. */
export async function readMembers(body: Bytes): Promise<Members> {
  const sink = new RawValueSink({ field: '', limit: requestLimit });
  const value = await readJson(body, sink, { limit: requestLimit });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw new DrayError('invalid-request', 'the body: must be a JSON object, {"image": …, "jobName": …}', {
    field: 'body',
  });
}

/**
 * Members that are not known here are passed over, and null is what is not there: the service that these clients know
 * reads its messages so.
 * @throws DrayError `invalid-request` or `limit-exceeded` that names the member.
 */
export function jobFrom(members: Members): SubmitJob {
  const outputBucketUrl = members['outputBucketUrl'] ?? '';
  const input: ContainerInput = {
    image: textOf(members, 'image'),
    name: textOf(members, 'jobName'),
    timeoutSeconds: secondsOf(members['timeOut'] ?? 0),
    inputBucketUrl: textOf(members, 'inputBucketUrl'),
    ...(outputBucketUrl === '' ? {} : { outputBucketUrl: textOf(members, 'outputBucketUrl') }),
  };
  return { type: containerType, input };
}

function textOf(members: Members, field: keyof typeof longest): string {
  const value = members[field] ?? undefined;
  const most = longest[field];
  if (value === undefined) throw misfit(field, `missing; must be a text of 1 to ${most} characters`);
  if (typeof value !== 'string' || value.trim() === '')
    throw misfit(field, `must be a text of 1 to ${most} characters`);
  if (value.length <= most) return value;
  throw misfit(field, `has ${value.length} characters; at most ${most} are taken`);
}

/** Fractions of a minute are taken, whole seconds are what a container is given. */
function secondsOf(minutes: unknown): number {
  if (typeof minutes !== 'number' || !(minutes >= 0))
    throw misfit('timeOut', `must be a number of minutes from 0 on; 0 means ${usualMinutes}`);
  if (minutes > mostMinutes)
    throw new DrayError('limit-exceeded', `timeOut: at most ${mostMinutes} minutes are taken`, {
      field: 'timeOut',
    });
  return minutes === 0 ? 60 * usualMinutes : Math.max(1, Math.round(60 * minutes));
}

function misfit(field: string, reason: string): DrayError {
  return new DrayError('invalid-request', `${field}: ${reason}`, { field });
}

/** What these clients call the members of a container's input. */
const named: Readonly<Record<string, string>> = {
  input: 'body',
  'input.image': 'image',
  'input.name': 'jobName',
  'input.timeoutSeconds': 'timeOut',
  'input.inputBucketUrl': 'inputBucketUrl',
  'input.outputBucketUrl': 'outputBucketUrl',
  type: 'body',
};

/** An error, also one of the admission, in words of these clients. */
export function inMstcWords(error: DrayError): { readonly message: string; readonly field?: string } {
  const { code, message, field } = error;
  if (code === 'unknown-type') {
    return { message: 'this server runs no containers: it was started without --containers' };
  }
  if (field === undefined) return { message };
  const own = named[field] ?? field;
  const begins = message.startsWith(`${field}:`);
  return { message: begins ? `${own}${message.slice(field.length)}` : message, field: own };
}
