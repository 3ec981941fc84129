/** The bounds that hold everywhere, and the defaults that options may change. Sizes in bytes, times in ms. */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const limits = {
  /** An input or result up to this size (as JSON) lives in the job's record; a larger one is a blob. */
  inlinePayload: 32 * KiB,
  /** The largest input or result that is JSON as a whole; larger data must come as a blob or a streamed field. */
  jsonPayload: 16 * MiB,
  /** How deep JSON values may nest. */
  jsonDepth: 64,
  body: 4 * GiB,
  /** The most that S3 takes in one request, which is what a link is for. */
  linkedUpload: 5 * GiB,
  /** How long a link to the store may be used. */
  link: 3_600_000,
  matrixElements: 4e9,
  /** The longest that a request may wait for a job. */
  wait: 60_000,
  listPage: 1_000,
  /** A page of a list ends early where its jobs are larger than this together. */
  listBytes: 4 * MiB,
  timeout: { default: 3_600_000, max: 7 * 24 * 3_600_000 },
  attempts: 100,
  /** How far ahead a job may be scheduled. */
  delay: 365 * 24 * 3_600_000,
  /** Characters of a concurrency key, and the most places that one may have. */
  key: 256,
  places: 10_000,
  /** Labels of a job, and characters of a label's value. */
  labels: 16,
  labelValue: 256,
  /** Jobs that one request may submit. */
  batch: 1_000,
  /** Different blobs that an input or a result may name. */
  blobs: 1_000,
  executorMemory: 3 * GiB,
  /** A database up to this size is read as a whole when it is opened, which takes about a second. */
  checkedAtStart: 256 * MiB,
  /** How far the jobs before a waiting one are counted. */
  ahead: 10_000,
  /** The details of an error, as JSON. */
  errorDetails: 8 * KiB,
  /** The name of a projection with what it is given. */
  projection: KiB,
  /** An attempt's history entries kept per job, newest last. */
  history: 20,
} as const;

export const leases = { lease: 10_000, heartbeat: 3_000, cancelGrace: 2_000 } as const;

export { KiB, MiB, GiB };
