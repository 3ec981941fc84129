/** locust for the load test in the cluster: its makers' image where the nodes pull, or one of .venv without a registry. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { python } from '../support/bucket-image.js';
import { writeLayer } from '../support/image-archive.js';
import { root } from '../support/sources.js';
import { bringToNodes, nowhere, pulled } from './chart-images.js';

const rootMaker = join(root, 'test/support/python-root.py');

/** Why the load test cannot run in the cluster; undefined where it can. */
export const noLocust = ((): string | undefined => {
  if (pulled || spawnSync(python, ['-c', 'import locust'], { stdio: 'ignore' }).status === 0)
    return undefined;
  const reason = '.venv has no locust, of which an image is made: node scripts/setup.mjs --python';
  if (process.env['CI'] !== undefined) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return reason;
})();

/** @returns values of `loadtest` beside others. */
export async function locustImage(): Promise<{ readonly image?: string }> {
  if (pulled) return {};
  const installed = execFileSync(python, ['-m', 'pip', 'list', '--format=freeze'], { encoding: 'utf8' });
  const hash = createHash('sha256').update(installed).update(readFileSync(rootMaker));
  const name = `${nowhere}/locust:${hash.digest('hex').slice(0, 12)}`;
  await bringToNodes([
    {
      names: [name],
      make: async (folder) => {
        const home = join(folder, 'locust');
        execFileSync(python, ['-B', rootMaker, home, 'locust'], { stdio: 'inherit', timeout: 120_000 });
        chmodSync(home, 0o755);
        const layer = await writeLayer(folder, 'locust-root', [{ from: home }]);
        return [
          {
            name,
            user: '1000:1000',
            env: { PATH: '/usr/local/bin' },
            entrypoint: ['python', '-m', 'locust'],
            layers: [layer],
          },
        ];
      },
    },
  ]);
  return { image: name };
}
