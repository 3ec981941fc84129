import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { systemClock } from '../clock.js';
import type { Finding } from '../jobs/diagnosis.js';
import { waitForServers } from './server-wait.js';

const node: Finding = { check: 'node', state: 'ok', detail: 'Node 20' };
const away: Finding = { check: 'redis', state: 'wrong', detail: 'refused', advice: 'Start it.' };
const slow = (ms: number): Finding => ({ check: 'redis', state: 'ok', detail: `answered within ${ms} ms` });

async function wait(looks: readonly (readonly Finding[])[], { time = '60s', json = false } = {}) {
  const clock = new ManualClock();
  let out = '';
  let err = '';
  let turn = 0;
  const code = waitForServers({
    terminal: {
      out: { write: (text: string) => (out += text) !== '' },
      err: { write: (text: string) => (err += text) !== '' },
      paint: (_, text) => text,
      width: 80,
    },
    ...{ clock, time, json },
    look: () => Promise.resolve(looks[Math.min(turn++, looks.length - 1)]!),
  });
  const ticking = systemClock.every(1, () => clock.advance(1_000));
  return { code: await code.finally(ticking), out, err, looks: turn };
}

describe('waiting for servers', () => {
  test('ends as soon as nothing is wrong, and says each finding once', async () => {
    const { code, out, err, looks } = await wait([
      [node, away],
      [node, away],
      [node, { ...away, detail: 'NOAUTH' }],
      [node, slow(3)],
    ]);
    expect({ code, err, looks }).toEqual({ code: 0, err: '', looks: 4 });
    expect(out.trim().split('\n')).toEqual([
      'node: ok: Node 20',
      'redis: wrong: refused',
      'redis: wrong: NOAUTH',
      'redis: ok: answered within 3 ms',
    ]);
  });

  test('fails when its time is over, with what is wrong in the last lines', async () => {
    const { code, err, looks } = await wait([[node, away]], { time: '10s' });
    expect(code).toBe(1);
    expect(err).toBe('dray: not to be used after 10s:\nredis: refused → Start it.\n');
    expect(looks).toBe(6);
  });

  test('looks once at least', async () => {
    expect((await wait([[node, slow(1)]], { time: '0s' })).code).toBe(0);
  });

  test('gives machines the last findings as one document', async () => {
    const { out } = await wait(
      [
        [node, away],
        [node, slow(2)],
      ],
      { json: true },
    );
    expect(JSON.parse(out)).toEqual({ findings: [node, slow(2)] });
  });
});
