/** How the checks of `dray doctor` say what they found. */
import type { Finding } from '../jobs/diagnosis.js';
import { DrayError } from '../jobs/errors.js';
import { GiB, MiB } from '../jobs/limits.js';

export type Verdict = Omit<Finding, 'check'>;
export const ok = (detail: string): Verdict => ({ state: 'ok', detail });
export const warning = (detail: string, advice: string): Verdict => ({ state: 'warning', detail, advice });
export const wrong = (detail: string, advice: string): Verdict => ({ state: 'wrong', detail, advice });

/** Says how much is wrong: what a running process lives through need not be `wrong` for one that starts. */
export type Judge = (detail: string, advice: string) => Verdict;

/** By name, in the order in which they are made and shown. */
export type Checks = Readonly<Record<string, () => Verdict | Promise<Verdict>>>;

/** One check after the other; one that throws has found something wrong. */
export async function findAll(checks: Checks): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [check, run] of Object.entries(checks)) {
    try {
      findings.push({ check, ...(await run()) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const ofSystem = !(error instanceof DrayError) && code !== undefined;
      const advice = ofSystem ? 'The operating system said no: check the rights.' : 'Correct the option.';
      findings.push({ check, ...wrong(message, advice) });
    }
  }
  return findings;
}

export function size(bytes: number): string {
  return bytes >= GiB ? `${(bytes / GiB).toFixed(1)} GiB` : `${Math.ceil(bytes / MiB)} MiB`;
}
