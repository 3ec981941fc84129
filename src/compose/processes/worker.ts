/** `dray worker`: takes jobs and runs them, in executors and inline. */
import { Announcer } from '../../control/announcer.js';
import { startHealthServer } from '../../http/health.js';
import { openLiveness } from '../../engine/cluster/broker/liveness.js';
import { Metrics } from '../../http/metrics.js';
import { DrayError } from '../../jobs/errors.js';
import { sayKernel } from '../kernel.js';
import type { RunningServer } from '../until-stopped.js';
import { createWorkers } from '../workers.js';
import { clusterFigures, type Deployment } from './deployment.js';

export async function startWorkerProcess(deployment: Deployment): Promise<RunningServer> {
  const { config, engine, clock, log, process } = deployment;
  await sayKernel(log, config.blas);
  const metrics = new Metrics({ clock, cluster: () => clusterFigures(deployment, { shared: false }) });
  const workers = createWorkers({
    ...deployment,
    onRun: (run) => metrics.observeAttempt(run),
  });
  const { queue, queuePrefix: prefix } = config;
  const liveness = await openLiveness({ url: queue, prefix, holder: process, clock, log });
  const announcer = new Announcer({
    register: engine.fleet,
    process,
    workers,
    clock,
    log,
  });
  const keeper = deployment.containers?.keeper(engine);
  let closing: Promise<void> | undefined;
  const health = await startHealthServer({
    host: config.host,
    port: config.healthPort,
    clock,
    metrics,
    ailment: () => {
      if (!workers.healthy) return 'the consume loop has stopped moving, or executors do not start';
      return engine.consuming
        ? undefined
        : 'jobs wait that this worker serves, and it has got none for too long';
    },
    ready: async () => {
      if (closing) throw new DrayError('unavailable', 'the worker is stopping');
      await engine.ping();
    },
  });
  workers.start();
  announcer.start();
  keeper?.start();
  const close = async (drained: Promise<void>): Promise<void> => {
    await drained;
    await keeper?.stop();
    await announcer.stop();
    await liveness.close();
    await health.stop();
    await deployment.close();
  };
  return {
    url: health.url,
    stop: (options = {}) => {
      const drained = workers.stop(options); // said again with a shorter grace, it hurries the first
      return (closing ??= close(drained));
    },
  };
}
