// Compiles src/ into dist/ and copies the files that the compiler leaves behind (SQL, the page). The new dist/ takes the
// old one's place at the end, so that a failed build breaks nothing that works.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const dist = join(root, 'dist');
const next = join(root, 'dist.next');
const old = join(root, 'dist.old');

for (const folder of [next, old]) rmSync(folder, { recursive: true, force: true });
try {
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', next], {
    stdio: 'inherit',
  });
} catch {
  process.exit(1); // the compiler has said why
}
for (const folder of ['engine/sqlite/sql', 'engine/cluster/lua', 'http/page']) {
  cpSync(join(root, 'src', folder), join(next, folder), { recursive: true });
}
chmodSync(join(next, 'main.js'), 0o755);
if (existsSync(dist)) renameSync(dist, old);
renameSync(next, dist);
rmSync(old, { recursive: true, force: true });
