/** What every engine promises. Each implementation runs this against its real store. */
import { describe } from 'vitest';
import { claims } from './engine/claims.js';
import { counts } from './engine/counts.js';
import { events } from './engine/events.js';
import { leases } from './engine/leases.js';
import { lifeCycle } from './engine/life-cycle.js';
import { lists } from './engine/lists.js';
import { model } from './engine/model.js';
import { records } from './engine/records.js';
import type { EngineFactory } from './engine/setup.js';

export type { EngineFactory, EngineUnderTest } from './engine/setup.js';

export function engineConformance(name: string, factory: EngineFactory): void {
  describe(`engine / ${name}`, () => {
    for (const part of [lifeCycle, leases, claims, records, lists, counts, events, model]) part(factory);
  });
}
