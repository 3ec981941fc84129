/** Jobs that wait in a paused queue until they are let go, here and at the peers. */

/** What Dray takes at once. */
export const batch = 1_000;

/** Inputs of so many small jobs, in batches. */
export function* inputsOf(jobs, size = batch) {
  for (let at = 0; at < jobs; at += size) {
    const count = Math.min(size, jobs - at);
    yield Array.from({ length: count }, (_, i) => ({ to: 'someone@example.org', order: at + i }));
  }
}

/**
 * @returns a function that lets so many jobs of the type wait, and then gives how many a second were completed
 * @throws Error where one fails
 */
export function drainDray(dray, type) {
  return async (jobs) => {
    await dray.pause(type);
    const had = await dray.jobs(type);
    let last;
    for (const inputs of inputsOf(jobs)) {
      last = (await dray.submitBatch(inputs.map((input) => ({ type, input })))).at(-1);
    }
    const started = performance.now();
    await dray.resume(type);
    // Jobs are handed out in their order, so hardly anything is left to be asked about after the last of them.
    await dray.ended(last);
    await completed(dray, type, (had.completed ?? 0) + jobs);
    return { jobsPerSecond: jobs / ((performance.now() - started) / 1000) };
  };
}

/** Waits until so many jobs of the type have completed. @throws Error where one fails */
export async function completed(dray, type, until) {
  for (;;) {
    const counts = await dray.jobs(type);
    if (counts.failed > 0) throw new Error(`${counts.failed} jobs failed`);
    if (counts.completed === until) return;
  }
}

/** The same for a worker of BullMQ. */
export function drainBullmq(queue, worker) {
  let before = 0;
  return async (jobs) => {
    await queue.pause();
    for (const inputs of inputsOf(jobs)) {
      await queue.addBulk(inputs.map((data) => ({ name: 'echo', data })));
    }
    const started = performance.now();
    await queue.resume();
    const { completed } = await worker.run({ until: before + jobs });
    const seconds = (performance.now() - started) / 1000;
    if (completed !== before + jobs) throw new Error(`${completed - before} of ${jobs} jobs completed`);
    before = completed;
    return { jobsPerSecond: jobs / seconds };
  };
}
