/** docs/scaling.md reckons as the rule does, and shows what the simulation gives. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decidedBy, planScale } from '../src/jobs/scaling.js';
import { settings, simulate, type Burst, type Rule } from './support/scaling-simulation.js';
import { root } from './support/sources.js';

const page = readFileSync(join(root, 'docs/scaling.md'), 'utf8');

/** The cells below the heads of the table that follows `<!-- name -->`. */
function table(name: string): string[][] {
  const after = page.split(`<!-- ${name} -->`)[1] ?? '';
  const rows = after.trimStart().split('\n\n')[0]!.split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/scaling.md', () => {
  it('gives the figures that the rule gives', () => {
    const policy = { slotsPerWorker: 2, utilisation: 0.8, drainTarget: 60, slo: 300, min: 1, max: 10 };
    const rows = table('situations');
    expect(rows.length).toBeGreaterThan(4);
    for (const [name, ...cells] of rows) {
      const [rate, time, backlog, oldest, busy, current] = cells.slice(0, 6).map(Number);
      const measured = {
        arrivalRate: rate!,
        serviceTime: time!,
        backlogSeconds: backlog!,
        oldestAge: oldest!,
      };
      const snapshot = { ...measured, backlogJobs: 0, busyWorkers: busy!, currentWorkers: current! };
      const plan = planScale(snapshot, policy);
      if (plan.kind === 'unknown') throw new Error(plan.reason);
      const decider = decidedBy({ need: plan.need, ...snapshot, ...policy });
      expect([name, String(plan.need), String(plan.desired), decider]).toEqual([name, ...cells.slice(6)]);
    }
  });

  it('shows what the simulation gives for the three rules', () => {
    const bursts: [string, Burst][] = [
      ['1,000 jobs of 1 s', { jobs: 1_000, within: 60, seconds: 1, computes: true }],
      ['100 jobs of 10 s', { jobs: 100, within: 60, seconds: 10, computes: true }],
      ['100 jobs that wait 10 s', { jobs: 100, within: 60, seconds: 10, computes: false }],
    ];
    // So many jobs of 1 s, or of 10 s, a worker works off within the drain target at the same utilisation.
    const { slots, drainTarget, utilisation } = settings;
    const messages = (seconds: number): number => Math.round((slots * drainTarget * utilisation) / seconds);
    const rules: [string, Rule][] = [
      ["Dray's rule", { kind: 'dray' }],
      [`${messages(1)} messages a worker`, { kind: 'queue', messages: messages(1) }],
      [`${messages(10)} messages a worker`, { kind: 'queue', messages: messages(10) }],
      ['CPU at 70 %', { kind: 'cpu' }],
    ];
    const rows = bursts.flatMap(([burst, jobs]) =>
      rules.map(([name, rule]) => {
        const { doneAt, medianWait, longestWait, mostWorkers, workerSeconds } = simulate(rule, jobs);
        const figures = [doneAt, medianWait, longestWait].map((seconds) => `${Math.round(seconds)} s`);
        return [burst, name, ...figures, String(mostWorkers), `${(workerSeconds / 60).toFixed(1)} min`];
      }),
    );
    expect(table('simulation')).toEqual(rows);
  });
});
