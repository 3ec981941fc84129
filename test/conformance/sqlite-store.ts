import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEngine } from '../../src/engine/sqlite/index.js';
import type { EngineFactory } from './engine/setup.js';

/** An engine in a folder of its own, which is removed in the end. */
export const sqliteStore: EngineFactory = async (clock) => {
  const folder = await mkdtemp(join(tmpdir(), 'dray-engine-'));
  const file = join(folder, 'jobs.db');
  let engine = await openSqliteEngine({ file, clock });
  return {
    engine,
    reopen: async () => {
      await engine.close();
      engine = await openSqliteEngine({ file, clock });
      return engine;
    },
    cleanup: async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    },
  };
};
