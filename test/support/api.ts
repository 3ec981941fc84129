/** The few calls that most tests need, made with fetch alone. */
import { expect } from 'vitest';
import type { Job } from '../../src/contract/job.js';

export type { Job };

export async function submit(url: string, type: string, input: unknown, rest: object = {}): Promise<Job> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type, input, ...rest }),
  });
  const body = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(202);
  return body as Job;
}

export async function read(url: string, id: string): Promise<Job> {
  return (await (await fetch(`${url}/v1/jobs/${id}`)).json()) as Job;
}

/** The job once it has ended. */
export async function ended(url: string, id: string): Promise<Job> {
  for (;;) {
    const job = (await (await fetch(`${url}/v1/jobs/${id}?wait=30s`)).json()) as Job;
    if (job.status === 'completed' || job.status === 'failed' || job.status === 'cancelled') return job;
  }
}

export async function act(url: string, id: string, action: 'cancel' | 'redrive'): Promise<Response> {
  return fetch(`${url}/v1/jobs/${id}/${action}`, { method: 'POST' });
}

interface Workers {
  workers: { busy: number; executors: { pid: number; job?: string; memory: number }[] }[];
}

/** The pid of the executor that runs the job now, if one does. */
export async function executorOf(url: string, id: string): Promise<number | undefined> {
  const { workers } = (await (await fetch(`${url}/v1/workers`)).json()) as Workers;
  return workers.flatMap(({ executors }) => executors).find(({ job }) => job === id)?.pid;
}
