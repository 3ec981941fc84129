/** `dray/client`: what programs import to talk to a Dray server. */
export { DrayClient } from './client.js';
export type { CallOptions, ClientOptions, JobQuery, SubmitOptions } from './options.js';
export { ClientError, type ClientErrorKind } from './error.js';
export type { ByteRange, Bytes, OnBytes, Upload } from './bytes.js';
export type { FilePart } from './multipart.js';
export type { AnyTasks, BuiltInTasks, ContainerTasks, JobOf, Submission, TypesOf } from './tasks.js';
export type { Blob } from '../contract/blob.js';
export type { JobEvent, OutputEvent } from '../contract/event.js';
export type { Explanation } from '../contract/explanation.js';
export type { Job, JobList } from '../contract/job.js';
export type { BulkChange, BulkChanged, Queue } from '../contract/queue.js';
export type { WorkerScale } from '../contract/scale.js';
export type { Worker } from '../contract/worker.js';
