/** `dray api`, `dray worker` and `dray controller`: what `dray serve` is, as processes on any number of machines. */
import type { ApartMode } from '../config/option.js';
import type { DeploymentConfig } from '../config/read-config.js';
import { startApiProcess } from './processes/api.js';
import { startControllerProcess } from './processes/controller.js';
import { openDeployment } from './processes/deployment.js';
import { startWorkerProcess } from './processes/worker.js';
import { untilStopped, type RunningServer } from './until-stopped.js';

const starts = { api: startApiProcess, worker: startWorkerProcess, controller: startControllerProcess };

/** @throws DrayError where the address, a server or an option cannot be used; nothing is left open then. */
export async function startApart(mode: ApartMode, config: DeploymentConfig): Promise<RunningServer> {
  const deployment = await openDeployment(config, { runs: mode === 'worker' });
  try {
    return await starts[mode](deployment);
  } catch (error) {
    await deployment.close();
    throw error;
  }
}

export async function serveApart(mode: ApartMode, config: DeploymentConfig): Promise<void> {
  const server = await startApart(mode, config);
  console.log(`dray ${mode} is ready at ${server.url}`);
  await untilStopped(server);
}
