// Compiles src/ into dist/ and copies the files that the compiler leaves behind (SQL).
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync(join(root, 'dist'), { recursive: true, force: true });
try {
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
} catch {
  process.exit(1); // the compiler has said why
}
cpSync(join(root, 'src/engine/sqlite/sql'), join(root, 'dist/engine/sqlite/sql'), { recursive: true });
chmodSync(join(root, 'dist/main.js'), 0o755);
