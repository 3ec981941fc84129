/** What a part of a bench starts and writes is gone at its end, or at the end of the bench if that comes first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Runs `step` with a context of its own: a folder for its data, and its `defer`. */
export async function scoped(ctx, step) {
  const cleanups = [];
  const scratch = mkdtempSync(join(ctx.scratch, 'round-'));
  const end = async () => {
    // Last in, first out: a server is stopped before the ones that it uses.
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    rmSync(scratch, { recursive: true, force: true });
  };
  ctx.defer(end);
  try {
    return await step({ ...ctx, scratch, defer: (cleanup) => cleanups.push(cleanup) });
  } finally {
    await end();
  }
}
