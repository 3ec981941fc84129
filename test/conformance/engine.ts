/** What every engine promises. Each implementation runs this against its real store. */
import { describe } from 'vitest';
import { bulk } from './engine/bulk.js';
import { claims } from './engine/claims.js';
import { counts } from './engine/counts.js';
import { events } from './engine/events.js';
import { keys } from './engine/keys.js';
import { leases } from './engine/leases.js';
import { lifeCycle } from './engine/life-cycle.js';
import { lists } from './engine/lists.js';
import { model } from './engine/model.js';
import { once } from './engine/once.js';
import { order } from './engine/order.js';
import { pauses } from './engine/pauses.js';
import { projections } from './engine/projections.js';
import { prune } from './engine/prune.js';
import { records } from './engine/records.js';
import type { EngineFactory } from './engine/setup.js';
import { standing } from './engine/standing.js';

export type { EngineFactory, EngineUnderTest } from './engine/setup.js';

const parts = [
  lifeCycle,
  leases,
  claims,
  order,
  pauses,
  keys,
  records,
  once,
  lists,
  bulk,
  standing,
  counts,
  events,
  projections,
  prune,
  model,
];

export function engineConformance(name: string, factory: EngineFactory): void {
  describe(`engine / ${name}`, () => {
    for (const part of parts) part(factory);
  });
}
