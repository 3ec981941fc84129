/** `dray doctor --wait`: for what starts only where its servers can be used, such as an init container. */
import type { Clock } from '../clock.js';
import type { Finding } from '../jobs/diagnosis.js';
import { parseDuration } from '../jobs/duration.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { print, printJson, type Terminal } from './terminal.js';

/** Between two looks. */
const againMs = 2_000;

/**
 * Looks again and again until nothing is wrong, and says each finding once.
 * @param params.time how long, as a user writes it.
 */
export async function waitForServers(params: {
  terminal: Terminal;
  clock: Clock;
  time: string;
  json: boolean;
  look: () => Promise<readonly Finding[]>;
}): Promise<ExitCode> {
  const { clock, time, look } = params;
  const { out, err } = params.terminal;
  const waitMs = parseDuration(time);
  if (waitMs === undefined) throw new UsageError(`--wait: "${time}" is no time such as 60s.`);
  const until = clock.monotonic() + waitMs;
  const said = new Map<string, string>();
  for (;;) {
    const findings = await look();
    const ill = findings.filter(({ state }) => state === 'wrong');
    const leftMs = until - clock.monotonic();
    if (params.json) {
      if (ill.length === 0 || leftMs <= 0) printJson(out, { findings });
    } else {
      for (const { check, state, detail } of findings) {
        // How long a good answer took is different each time.
        const text = state === 'ok' ? state : detail;
        if (said.get(check) !== text) print(out, `${check}: ${state}: ${detail}`);
        said.set(check, text);
      }
    }
    if (ill.length === 0) return exitCodes.ok;
    if (leftMs <= 0) {
      // Kubernetes shows the last lines of a container that has failed: they say all.
      print(err, `dray: not to be used after ${time}:`);
      for (const { check, detail, advice = '' } of ill) print(err, `${check}: ${detail} → ${advice}`);
      return exitCodes.failed;
    }
    await clock.sleep(Math.min(againMs, leftMs));
  }
}
