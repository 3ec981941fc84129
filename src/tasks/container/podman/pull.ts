/** Getting an image, with patience for the network and none for a registry that says no. */
import type { Clock } from '../../../clock.js';
import { lastLine, type Program } from './program.js';

/** One pull of a large image by a slow network, in ms. */
const longestPull = 1_800_000;
const firstPause = 1_000;
const longestPause = 15_000;

/** What registries, podman and docker say where asking again cannot help. */
const refusal =
  /manifest unknown|name unknown|not found|no such image|does not exist|denied|unauthorized|authentication required|forbidden|invalid reference|no matching manifest|no image found in|not allowed|unsupported/i;

/**
 * @param params.patienceMs for how long a registry may be out of reach.
 * @returns why the image cannot be had; undefined where it is there now.
 * @throws the signal's reason when aborted; DrayError `unavailable` where the program does not answer.
 */
export async function pull(params: {
  program: Program;
  image: string;
  patienceMs: number;
  clock: Clock;
  signal: AbortSignal;
}): Promise<string | undefined> {
  const { program, image, patienceMs, clock, signal } = params;
  // Podman's name for images that are made on the machine itself; no registry has them.
  if (image.startsWith('localhost/')) return `this machine has no image ${image}`;
  const until = clock.monotonic() + patienceMs;
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
    const { code, stderr } = await program.long(['pull', '--quiet', '--', image], {
      timeoutMs: longestPull,
      signal,
    });
    if (code === 0) return undefined;
    const why = lastLine(stderr) || `pull ended with exit code ${code}`;
    if (refusal.test(stderr) || clock.monotonic() + pause > until) return why;
    await clock.sleep(pause, signal);
  }
}
