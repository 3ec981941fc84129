// node prune.mjs <node_modules> <apart>: takes out what no program reads there, which is most of it. Licences stay. What
// runs models goes into the other folder: it is as large as all other packages together, and only the API has a use for it.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Types, source maps, sources in C and in TypeScript, texts for people, and binaries for a runtime that is not Node. */
const files = /\.(map|md|markdown|[cm]?ts|c|cc|cpp|h|hh|hpp|S|asm|gyp|gypi|bare|tsbuildinfo|flow)$/;
/** Directories at the top of a package. */
const folders = /^(tests?|__tests__|docs?|examples?|bench(marks?)?|dist-types|\.github)$/;
const kept = /licen[cs]e|notice|copying/i;
const platform = `${process.platform}-${process.arch}`;
const runtime = ['onnxruntime-node', 'onnxruntime-common'];
/** They fetch CUDA's libraries when the runtime is installed, where they may. */
const fetchers = ['adm-zip', 'global-agent'];
/** Of the runtime, for graphics processors, which nothing asks for. */
const providers = /onnxruntime_providers|DirectML|dxcompiler|dxil/;

const [, , modules, apart] = process.argv;
pruneRuntime(join(modules, 'onnxruntime-node'));
pruneAll(modules);
mkdirSync(apart, { recursive: true });
for (const name of runtime)
  if (existsSync(join(modules, name))) renameSync(join(modules, name), join(apart, name));

/** Its binaries are at bin/<interface>/<platform>/<processor>. */
function pruneRuntime(folder) {
  if (!existsSync(folder)) return;
  for (const name of fetchers) rmSync(join(modules, name), { recursive: true, force: true });
  rmSync(join(folder, 'script'), { recursive: true, force: true });
  const binaries = join(folder, 'bin');
  for (const entry of readdirSync(binaries, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const own = path.includes(join('/', process.platform, process.arch, '/')) && !providers.test(entry.name);
    if (!entry.isDirectory() && !own) rmSync(path);
  }
}

function pruneAll(modules) {
  for (const entry of readdirSync(modules, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === '.bin') continue;
    const path = join(modules, entry.name);
    if (entry.name.startsWith('@')) pruneAll(path);
    else prune(path, true);
  }
}

function prune(folder, top) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) {
      if (files.test(entry.name) && !kept.test(entry.name)) rmSync(path);
    } else if (entry.name === 'node_modules') pruneAll(path);
    else if (top && folders.test(entry.name)) rmSync(path, { recursive: true });
    else {
      if (top && entry.name === 'prebuilds') leaveOnly(path, platform);
      prune(path, false);
    }
  }
}

function leaveOnly(folder, name) {
  for (const other of readdirSync(folder))
    if (other !== name) rmSync(join(folder, other), { recursive: true });
}
