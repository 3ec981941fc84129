/** A user's project beside the checkout: a folder with modules of tasks, and copies of its own of dray and typebox. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './sources.js';

export interface UserProject {
  readonly folder: string;
  /** Writes a module, and gives its path. */
  write(name: string, source: string): string;
  remove(): void;
}

export function userProject(): UserProject {
  const folder = mkdtempSync(join(tmpdir(), 'dray-project-'));
  const installed = join(folder, 'node_modules');
  mkdirSync(join(installed, 'dray/dist/tasks'), { recursive: true });
  for (const file of ['package.json', 'dist/tasks/task.js', 'dist/tasks/stopped.js']) {
    cpSync(join(root, file), join(installed, 'dray', file));
  }
  cpSync(join(root, 'node_modules/typebox'), join(installed, 'typebox'), { recursive: true });
  return {
    folder,
    write: (name, source) => {
      const file = join(folder, name);
      writeFileSync(file, source);
      return file;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
