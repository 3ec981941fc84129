/** Who may call the server: from its options, and the keys in its folder. */
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import type { Access } from '../http/access.js';
import { DrayError } from '../jobs/errors.js';
import { keyFileName } from '../keys/key-file.js';
import { Keyring } from '../keys/keyring.js';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** @throws DrayError where the address would be open to other machines, or the keys cannot be read. */
export async function openAccess(params: {
  readonly config: Config;
  readonly folder: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Promise<{ readonly access: Access; readonly keyring: Keyring }> {
  const { config, folder, clock, onError } = params;
  const { auth, host, openDoors } = config;
  const keyring = await Keyring.open({ file: join(folder, keyFileName), clock, onError });
  const loopbackOnly = loopback.has(host);
  if (!loopbackOnly && auth !== 'insecure-open' && !keyring.everAny) {
    throw new DrayError(
      'unauthenticated',
      `--host ${host}: other machines could call this server, and there is no API key. ` +
        `Create one with \`dray keys create --data ${config.data}\`, or let whoever reaches the address do ` +
        'everything with --auth insecure-open',
    );
  }
  const keysNeeded = {
    auto: () => keyring.everAny,
    keys: () => true,
    'insecure-open': () => false,
  }[auth];
  return { access: { keysNeeded, findKey: (text) => keyring.find(text), openDoors, loopbackOnly }, keyring };
}
