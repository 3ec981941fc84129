/** What every container runtime promises (src/tasks/container/runtime.ts). Each runs this against the real one. */
import { describe } from 'vitest';
import { adoption } from './container-runtime/adoption.js';
import { ends } from './container-runtime/ends.js';
import { leftovers } from './container-runtime/leftovers.js';
import { logs } from './container-runtime/logs.js';
import { Harbour, type RuntimeUnderTest } from './container-runtime/harbour.js';
import { starts } from './container-runtime/starts.js';

export type { RuntimeUnderTest } from './container-runtime/harbour.js';

const parts = [starts, adoption, ends, logs, leftovers];

/**
 * @param factory is asked once, before the first test.
 *
 * A container that a test leaves is removed after it. Tests take seconds, as containers do: give them two minutes.
 */
export function containerRuntimeConformance(name: string, factory: () => Promise<RuntimeUnderTest>): void {
  describe(`container runtime / ${name}`, () => {
    const harbour = new Harbour(factory);
    for (const part of parts) part(harbour);
  });
}
