/** What `dray doctor` finds out about models: whether they can be run here, and which of them cannot be served. */
import { resolve } from 'node:path';
import { systemClock } from '../clock.js';
import type { Finding } from '../jobs/diagnosis.js';
import { Models } from '../models/models.js';
import { requireRuntime } from './models.js';
import { findAll, ok, warning, wrong, type Verdict } from './verdicts.js';

const mostNamed = 10;
const silent = { info: () => undefined, warn: () => undefined };

export async function diagnoseModels(folder: string): Promise<Finding[]> {
  const runtime = await findAll({ 'model runtime': checkRuntime });
  if (runtime.some(({ state }) => state === 'wrong')) return runtime;
  return [...runtime, ...(await findAll({ models: () => checkModels(resolve(folder)) }))];
}

function checkRuntime(): Verdict {
  try {
    return ok(`ONNX Runtime ${requireRuntime()}`);
  } catch (error) {
    return wrong((error as Error).message, 'Without it there are no models; all else works.');
  }
}

/** Loads all of them, as a server would. */
async function checkModels(folder: string): Promise<Verdict> {
  const options = { threads: 1, batchRows: 1, batchMs: 0, mostWaiting: 1 };
  const models = await Models.open({ folder, clock: systemClock, log: silent, options });
  try {
    const versions = models.all();
    const bad = versions.filter(({ state }) => state !== 'AVAILABLE');
    const reasons = bad.map(({ model, version, error }) => `${model}/${version}: ${error ?? 'not loaded'}`);
    if (!models.ready)
      return wrong(
        [`nothing in ${folder} can be served`, ...reasons].join('; '),
        'A model lies at <model>/<version>/model.onnx, the version a whole number (docs/models.md).',
      );
    if (bad.length > 0)
      return warning(reasons.join('; '), 'Put a whole model.onnx there, or remove the version.');
    const names = versions.map(({ model, version }) => `${model}/${version}`);
    const more = names.length - mostNamed;
    return ok(`${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
  } finally {
    await models.close();
  }
}
