/** A file system of a few MiB, for what happens when a disk is full. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly path: string;
  /** Takes every byte that is left. The function gives them back. */
  fill(): () => void;
  remove(): void;
}

/**
 * @param size as mount takes it, such as `8m`.
 * @param files how many files and folders it holds.
 */
export function mountSmallDisk(size: string, files = 256): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'dray-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},nr_inodes=${files}`, 'tmpfs', path], {
    stdio: 'ignore',
  });
  return {
    path,
    fill: () => {
      const filler = join(path, 'filler');
      takeAll(filler);
      return () => rmSync(filler);
    },
    remove: () => {
      execFileSync('umount', ['-l', path]);
      rmdirSync(path);
    },
  };
}

/** Mounting needs root on Linux, and even root inside of a container may lack the right: only trying tells. */
export function canMount(): boolean {
  try {
    mountSmallDisk('1m').remove();
    return true;
  } catch {
    return false;
  }
}

function takeAll(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 1 << 20; size >= 1; size = size > 1 && wrote(file, size) ? size : size >> 1);
  } finally {
    closeSync(file);
  }
}

function wrote(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size, 1)) === size;
  } catch {
    return false;
  }
}
