/** What a bench, or a round of it, starts and writes is gone at its end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs `step` with a context of its own: `scratch`, a folder inside of that of `ctx`, and `defer` for what is to be
 * done at the end. The outer context's `defer` gets the end as well, which may come from there first.
 */
export async function scoped(ctx, name, step) {
  const scratch = mkdtempSync(join(ctx.scratch, `${name}-`));
  const cleanups = [];
  const end = async () => {
    // Last in, first out: a server is stopped before the ones that it uses.
    for (const cleanup of cleanups.splice(0).reverse())
      await cleanup().catch((error) => console.error(error));
    rmSync(scratch, { recursive: true, force: true });
  };
  ctx.defer(end);
  try {
    return await step({ ...ctx, scratch, defer: (cleanup) => cleanups.push(cleanup) });
  } finally {
    await end();
  }
}
