// node prune.mjs <node_modules>: takes out what no program reads there, which is most of it. Licences stay.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Types, source maps, sources in C and in TypeScript, texts for people, and binaries for a runtime that is not Node. */
const files = /\.(map|md|markdown|[cm]?ts|c|cc|cpp|h|hh|hpp|S|asm|gyp|gypi|bare|tsbuildinfo|flow)$/;
/** Directories at the top of a package. */
const folders = /^(tests?|__tests__|docs?|examples?|bench(marks?)?|dist-types|\.github)$/;
const kept = /licen[cs]e|notice|copying/i;
const platform = `${process.platform}-${process.arch}`;

pruneAll(process.argv[2]);

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
      // As ONNX Runtime has them: bin/napi-v6/linux/x64.
      if (/^napi-v\d+$/.test(entry.name)) leaveOnly(leaveOnly(path, process.platform), process.arch);
      prune(path, false);
    }
  }
}

/** @returns the path of the one that is left. */
function leaveOnly(folder, name) {
  for (const other of readdirSync(folder))
    if (other !== name) rmSync(join(folder, other), { recursive: true });
  return join(folder, name);
}
