/** Orderings that no real runtime can be made to show; what real ones do is in test/integration/containers. */
import { describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../test/support/manual-clock.js';
import { DrayError } from '../../jobs/errors.js';
import { GiB } from '../../jobs/limits.js';
import { MemoryBlobs } from '../../testing/index.js';
import { taskContext } from '../../testing/task-context.js';
import { stopped, type StopReason } from '../stopped.js';
import type { Lookup } from './address.js';
import { parseHostPattern } from './bucket-url.js';
import type { Buckets } from './bucket.js';
import { parseImagePattern } from './image.js';
import { createContainer } from './index.js';
import type { PreviousAttempt } from '../task.js';
import type { ContainerRules } from './rules.js';
import type { ContainerEnd, ContainerRuntime, ContainerSpec } from './runtime.js';

const rules: ContainerRules = {
  images: [parseImagePattern('mstc/*')!],
  hosts: [parseHostPattern('minio:9000')!, parseHostPattern('*.evil')!],
  env: ['A'],
  defaults: { cpus: 1, memory: GiB },
  caps: { cpus: 4, memory: 8 * GiB },
};
const input = { image: 'mstc/x', inputBucketUrl: 'http://minio:9000/bucket', env: { A: 'b' } };

/** A runtime of which the test says when it does what. */
class Puppet implements ContainerRuntime {
  readonly calls: string[] = [];
  readonly specs: ContainerSpec[] = [];
  adopted = false;
  /** How often it does not answer before it does. */
  away = 0;
  printed: AsyncIterable<Uint8Array> = printing('hello\n');
  end: Promise<ContainerEnd> | undefined = Promise.resolve(ended({}));
  removal: Promise<void> = Promise.resolve();
  waiting = (): void => undefined;

  start(spec: ContainerSpec) {
    this.calls.push('start');
    if (this.away-- > 0) return Promise.reject(new DrayError('unavailable', 'nobody answers'));
    this.specs.push(spec);
    return Promise.resolve({ name: 'x-1', adopted: this.adopted });
  }
  wait({ signal, onState }: Parameters<ContainerRuntime['wait']>[0]): Promise<ContainerEnd> {
    onState('waiting', '0/3 nodes');
    onState('running');
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
    this.waiting();
    return this.end ? Promise.race([this.end, aborted]) : aborted;
  }
  logs(): AsyncIterable<Uint8Array> {
    return this.printed;
  }
  remove(): Promise<void> {
    this.calls.push('remove');
    return this.removal;
  }
  release(): Promise<void> {
    this.calls.push('release');
    return Promise.resolve();
  }
  list(): ReturnType<ContainerRuntime['list']> {
    return Promise.resolve([]);
  }
  version(): Promise<string> {
    return Promise.resolve('puppet');
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function ended(end: Partial<ContainerEnd>): ContainerEnd {
  return { reason: 'exited', exitCode: 0, message: '', startedAt: 1_000, finishedAt: 3_500, ...end };
}

async function* printing(...texts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('never');
  await new Promise(() => undefined);
}

function setup(
  options: { list?: Buckets['list']; address?: string; previous?: PreviousAttempt; lookup?: Lookup } = {},
) {
  const runtime = new Puppet();
  const clock = new ManualClock();
  const blobs = new MemoryBlobs();
  const list = options.list ?? (() => Promise.resolve({ files: [{ key: 'a', size: 1 }], truncated: false }));
  const task = createContainer({
    rules,
    clock,
    host: { runtime, buckets: { list }, slots: 3 },
    lookup:
      options.lookup ?? (() => Promise.resolve([{ address: options.address ?? '10.0.0.1', family: 4 }])),
  });
  const context = taskContext({ blobs, previous: options.previous });
  const run = () => Promise.resolve(task.run(input, context));
  const textOf = (id: string) => Buffer.from(blobs.bytes(id)).toString();
  return { runtime, clock, blobs, task, context, run, textOf };
}

const failing = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error as Error & { code?: string; details?: { log?: { blob: string } } },
  );

async function* trickling(clock: ManualClock, count: number, everyMs: number): AsyncGenerator<Uint8Array> {
  for (let number = 1; number <= count; number += 1) {
    await clock.sleep(everyMs);
    yield Buffer.from(`${number}`);
  }
}

/** Lets time pass until it is over. */
async function passing(clock: ManualClock, running: Promise<unknown>): Promise<void> {
  const end = { come: false };
  void running.finally(() => (end.come = true)).catch(() => undefined);
  while (!end.come) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1_000);
  }
}

describe('a container job', () => {
  it('gives what its container printed and left, and says on the way where it stands', async () => {
    const { runtime, context, run, textOf } = setup();
    const result = await run();
    expect(result).toMatchObject({
      name: 'x-1',
      exitCode: 0,
      durationMs: 2_500,
      outputBucketUrl: 'http://minio:9000/bucket',
      files: [{ key: 'a', size: 1 }],
    });
    expect(textOf(result.log.blob)).toBe('hello\n');
    expect(context.reported.map(({ message }) => message)).toEqual([
      'waiting: 0/3 nodes',
      'running',
      undefined,
    ]);
    expect(runtime.calls).toEqual(['start']);
    expect(runtime.specs[0]).toMatchObject({
      jobId: context.jobId,
      name: 'x',
      image: 'docker.io/mstc/x:latest',
      timeoutMs: 900_000,
      env: { A: 'b', INPUT_BUCKET_URL: input.inputBucketUrl, OUTPUT_BUCKET_URL: input.inputBucketUrl },
    });
  });

  it('has slots of its own, and time beyond its container’s to wait for a node', () => {
    const { task } = setup();
    expect(task).toMatchObject({ inline: true, slots: 3 });
    expect(task.timeoutMs?.({ ...input, timeoutSeconds: 60 })).toBe(3_780_000);
  });

  it.each([
    [{ exitCode: 3 }, 'container-failed', /exit code 3/],
    [{ reason: 'out-of-memory' }, 'container-out-of-memory', /1073741824 bytes of memory/],
    [{ reason: 'deadline' }, 'container-deadline', /longer than its 900 s/],
    [{ reason: 'image', message: 'not found' }, 'container-image', /docker.io\/mstc\/x:latest: not found/],
  ] as const)('fails for good where its container ends so: %o', async (end, code, message) => {
    const { runtime, run, textOf } = setup();
    runtime.end = Promise.resolve(ended(end));
    const error = await failing(run());
    expect(error).toMatchObject({ code, details: { name: 'x-1' } });
    expect(error.message).toMatch(message);
    expect(textOf(error.details!.log!.blob)).toBe('hello\n');
    expect(runtime.calls).toEqual(['start']);
  });

  it('names no log where its container never printed', async () => {
    const { runtime, run } = setup();
    runtime.printed = printing();
    runtime.end = Promise.resolve(ended({ reason: 'image' }));
    expect((await failing(run())).details).not.toHaveProperty('log');
  });

  it('may run again where its container was lost, with what is left of it removed', async () => {
    const { runtime, run } = setup();
    runtime.end = Promise.resolve(ended({ reason: 'lost', message: 'evicted' }));
    const error = await failing(run());
    expect(error.message).toMatch('lost: evicted');
    expect(error).not.toHaveProperty('code');
    expect(runtime.calls).toEqual(['start', 'remove']);
  });

  it('does not wait for a log that never ends', async () => {
    const { runtime, clock, run, textOf } = setup();
    runtime.printed = endless();
    const running = run();
    await new Promise<void>((resolve) => (runtime.waiting = resolve));
    while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20_000);
    expect(textOf((await running).log.blob)).toBe('never\n[dray] the end of the log did not come\n');
  });

  it('waits for the rest of a log while it comes, up to a minute', async () => {
    const { runtime, clock, run, textOf } = setup();
    runtime.printed = trickling(clock, 8, 4_000);
    const slow = run();
    await passing(clock, slow);
    expect(textOf((await slow).log.blob)).toBe('12345678');
    runtime.printed = trickling(clock, Infinity, 4_000);
    const begun = clock.monotonic();
    const endless = run();
    await passing(clock, endless);
    expect(textOf((await endless).log.blob)).toMatch(
      /^123456789.*\n\[dray\] the end of the log did not come\n$/,
    );
    expect(clock.monotonic() - begun).toBeGreaterThanOrEqual(60_000);
  });

  it('waits for no log once it is stopped, nor removes what another attempt may have started', async () => {
    const { runtime, clock, context, run } = setup();
    runtime.printed = endless();
    runtime.end = Promise.resolve(ended({ reason: 'lost', message: 'evicted' }));
    const running = failing(run());
    await new Promise<void>((resolve) => (runtime.waiting = resolve));
    while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    context.controller.abort(stopped('lease-lost'));
    expect((await running).name).toBe('AbortError');
    expect(runtime.calls).toEqual(['start']);
  });

  it('does not fail for a log that cannot be read, and says so in it', async () => {
    const { runtime, run, textOf } = setup();
    runtime.printed = printing('so far', new Error('cut'));
    expect(textOf((await run()).log.blob)).toBe('so far\n[dray] the log could not be read to its end: cut\n');
  });

  it('does not fail for a bucket that cannot be listed, and says so in the log', async () => {
    const { context, run, textOf } = setup({ list: () => Promise.reject(new Error('no right')) });
    const result = await run();
    expect(result).toMatchObject({ files: [], filesError: 'no right' });
    expect(textOf(result.log.blob)).toContain(
      '[dray] the files of the output bucket are not known: no right',
    );
    expect(context.logged).toContainEqual(expect.objectContaining({ level: 'warn' }));
  });

  it('asks a bucket that does not answer again, for half a minute, where its name leads by then', async () => {
    const asked: string[] = [];
    let address = '10.0.0.1';
    const list: Buckets['list'] = ({ addresses }) => {
      asked.push(addresses[0]!.address);
      address = '10.0.0.2';
      return asked.length < 3
        ? Promise.reject(new DrayError('unavailable', 'reset'))
        : Promise.resolve({ files: [{ key: 'a', size: 1 }], truncated: false });
    };
    const { clock, run } = setup({ list, lookup: () => Promise.resolve([{ address, family: 4 }]) });
    const running = run();
    await passing(clock, running);
    expect(await running).toMatchObject({ files: [{ key: 'a' }] });
    expect(asked).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.2']);

    const silent = setup({ list: () => Promise.reject(new DrayError('unavailable', 'reset')) });
    const end = silent.run();
    await passing(silent.clock, end);
    expect(await end).toMatchObject({ files: [], filesError: 'reset' });
    expect(silent.clock.monotonic()).toBeGreaterThanOrEqual(30_000);
  });

  it('looks into no bucket whose name has come to lead elsewhere, or that nobody knows', async () => {
    const list = vi.fn<Buckets['list']>();
    let lookup: Lookup = () => Promise.resolve([{ address: '10.0.0.1', family: 4 }]);
    const { runtime, run } = setup({ list, lookup: (host) => lookup(host) });
    const waits = runtime.wait.bind(runtime);
    runtime.wait = (params) => {
      lookup = () => Promise.resolve([{ address: '169.254.169.254', family: 4 }]);
      return waits(params);
    };
    expect((await run()).filesError).toMatch('leads to 169.254.169.254');
    lookup = () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));
    runtime.wait = waits;
    expect((await run()).filesError).toMatch('the name minio cannot be resolved');
    expect(list).not.toHaveBeenCalled();
  });

  it.each([
    ['cancelled', ['start', 'remove']],
    ['timeout', ['start', 'remove']],
    ['drain', ['start']],
    ['lease-lost', ['start']],
  ] as const)(
    'leaves its container to the next attempt unless the job itself is over: %s',
    async (reason, calls) => {
      const { runtime, context, run } = setup();
      runtime.end = undefined;
      const running = failing(run());
      await new Promise<void>((resolve) => (runtime.waiting = resolve));
      context.controller.abort(stopped(reason satisfies StopReason));
      expect((await running).name).toBe('AbortError');
      expect(runtime.calls).toEqual(calls);
    },
  );

  it.each([
    [
      { outcome: 'failed', error: { code: 'container-failed', message: '', permanent: true } },
      ['remove', 'start'],
    ],
    [{ outcome: 'failed', error: { code: 'timeout', message: '', permanent: false } }, ['remove', 'start']],
    [{ outcome: 'failed', error: { code: 'unavailable', message: '', permanent: false } }, ['start']],
    [{ outcome: 'expired' }, ['start']],
    [{ outcome: 'released' }, ['start']],
  ] as const)('runs anew where the end of the attempt before is known: %o', async (previous, calls) => {
    const { runtime, run } = setup({ previous });
    await run();
    expect(runtime.calls).toEqual(calls);
  });

  it('does not wait longer than it may for its container to be removed', async () => {
    const { runtime, clock, context, run } = setup();
    runtime.end = undefined;
    runtime.removal = new Promise(() => undefined);
    const running = failing(run());
    await new Promise<void>((resolve) => (runtime.waiting = resolve));
    context.controller.abort(stopped('cancelled'));
    while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1_500);
    expect((await running).name).toBe('AbortError');
  });

  it('waits for a runtime that does not answer, up to five minutes', async () => {
    const { runtime, clock, context, run } = setup();
    runtime.away = 3;
    const patient = run();
    await passing(clock, patient);
    expect(await patient).toMatchObject({ exitCode: 0 });
    expect(runtime.calls).toEqual(['start', 'start', 'start', 'start']);
    expect(context.reported[0]).toMatchObject({ message: 'waiting: nobody answers' });
    runtime.away = Infinity;
    const given = failing(run());
    await passing(clock, given);
    expect(await given).toMatchObject({ code: 'unavailable' });
  });

  it('says in its log that it goes on with the container of an earlier attempt', async () => {
    const { runtime, context, run } = setup();
    runtime.adopted = true;
    await run();
    expect(context.logged[0]).toMatchObject({ message: 'the container of an earlier attempt is followed' });
  });

  it('is refused where a name that is allowed leads to a metadata address', async () => {
    const { task, runtime, run } = setup({ address: '169.254.169.254' });
    const refusal = { code: 'bucket-not-allowed', field: 'input.inputBucketUrl' };
    const context = { blobs: new MemoryBlobs(), maxMatrixElements: 1 };
    await expect(task.admit!(input, context)).rejects.toMatchObject(refusal);
    await expect(run()).rejects.toMatchObject(refusal);
    expect(runtime.calls).toEqual([]);
  });

  it('is admitted by processes that run none, and with a name that only the container’s network knows', async () => {
    const task = createContainer({
      rules,
      clock: new ManualClock(),
      lookup: () => Promise.reject(new Error('ENOTFOUND')),
    });
    const admitted = task.admit!(input, { blobs: new MemoryBlobs(), maxMatrixElements: 1 });
    await expect(admitted).resolves.toMatchObject({ image: 'docker.io/mstc/x:latest' });
    expect(() => task.run(input, taskContext())).toThrow('runs no containers');
  });
});
