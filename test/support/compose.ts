/** deploy/compose/compose.yaml as Docker Compose reads it: checked, merged, with the passwords filled in. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { composeReader } from '../../scripts/services/tools.mjs';
import { root } from './sources.js';

export const composeFile = join(root, 'deploy/compose/compose.yaml');
const passwords = join(root, 'scripts/compose-env.mjs');

export interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly target: string };
  readonly entrypoint?: readonly string[] | null;
  readonly command?: readonly string[] | null;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly deploy: {
    readonly replicas?: number;
    readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } };
  };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly restart?: string;
  readonly ports?: readonly {
    readonly host_ip?: string;
    readonly published: string;
    readonly target: number;
  }[];
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly { readonly type: string; readonly source: string; readonly target: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

export interface ComposeModel {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

/** Why the file cannot be read here; in CI that is an error. */
export function composeTrouble(): string | undefined {
  if (existsSync(composeReader)) return undefined;
  const trouble = `${composeReader} is missing; get it with: node scripts/setup.mjs --services`;
  if (process.env['CI'] !== undefined) throw new Error(trouble);
  return trouble;
}

/** Makes the passwords in `folder`, as a user would. */
export function makePasswords(folder: string): {
  readonly file: string;
  readonly values: Record<string, string>;
} {
  const file = join(folder, '.env');
  execFileSync(process.execPath, [passwords, file]);
  return { file, values: parseEnv(readFileSync(file, 'utf8')) as Record<string, string> };
}

/** @throws Error with what the reader says, be it an error or a warning */
export function readCompose(folder: string, environment: string): ComposeModel {
  // The reader heeds a file of variables for what is included only.
  const including = join(folder, 'compose.yaml');
  writeFileSync(including, JSON.stringify({ include: [{ path: composeFile, env_file: environment }] }));
  const { status, stdout, stderr } = spawnSync(composeReader, ['--format', 'json', including], {
    encoding: 'utf8',
    env: {},
  });
  if (status !== 0 || stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as ComposeModel;
}
