/** A file system of a few MiB, for what happens when a disk is full. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly path: string;
  remove(): void;
}

/** @param size as mount takes it, such as `8m`. */
export function mountSmallDisk(size: string): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'dray-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},nr_inodes=256`, 'tmpfs', path], {
    stdio: 'ignore',
  });
  return {
    path,
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
