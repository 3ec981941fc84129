/** Processes of a deployment on the servers that a test file is given, each deployment with names of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../../src/clock.js';
import { startProcess, type TestProcess } from './server.js';

export interface TestDeployment {
  /** The addresses and the prefix, as the processes take them. */
  readonly env: Readonly<Record<string, string>>;
  /** A free port, and a worker has one slot, unless the arguments say otherwise. */
  start(mode: 'api' | 'worker' | 'controller', ...args: readonly string[]): Promise<TestProcess>;
  /** Stops what still runs. */
  stop(): Promise<void>;
}

/**
 * Blobs lie in a folder, which all processes of one machine share.
 * @param more variables of the processes.
 */
export async function createDeployment(
  servers: { queue: string; state: string },
  more: Readonly<Record<string, string>> = {},
): Promise<TestDeployment> {
  const folder = await mkdtemp(join(tmpdir(), 'dray-deployment-'));
  const env = {
    DRAY_QUEUE: servers.queue,
    DRAY_STATE: servers.state,
    DRAY_BLOBS: pathToFileURL(join(folder, 'blobs')).href,
    DRAY_QUEUE_PREFIX: `t${systemClock.token().slice(0, 12)}`,
    DRAY_DATA: folder,
    DRAY_PORT: '0',
    DRAY_SLOTS_PER_WORKER: '1',
    ...more,
  };
  const running: TestProcess[] = [];
  return {
    env,
    start: async (mode, ...args) => {
      const started = await startProcess({ args: [mode, ...args], env });
      running.push(started);
      return started;
    },
    stop: async () => {
      await Promise.all(running.map((one) => one.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
