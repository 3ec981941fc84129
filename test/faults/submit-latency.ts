/** How long single submits take, one after the other: to be reported, as a machine's figure is no promise. */
import { systemClock } from '../../src/clock.js';
import { submit } from '../support/api.js';

/** @returns such as "p50 1.2 ms, p99 3.4 ms". */
export async function submitLatency(url: string, count: number): Promise<string> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = systemClock.monotonic();
    await submit(url, 'echo', { index });
    times.push(systemClock.monotonic() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (count - 1))]!.toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
