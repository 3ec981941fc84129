/** Who may call the server: from its options, and the file of its keys. */
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import type { Access } from '../http/access.js';
import { DrayError } from '../jobs/errors.js';
import { keyFileName } from '../keys/key-file.js';
import { Keyring } from '../keys/keyring.js';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export interface Doorkeeper {
  readonly access: Access;
  readonly keyring: Keyring;
}

/** @throws DrayError where the address would be open to other machines, or the keys cannot be read. */
export async function openAccess(params: {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<Doorkeeper> {
  const { config, clock, logger } = params;
  const { auth, host, openDoors } = config;
  const file = resolve(config.keys ?? join(config.data, keyFileName));
  const onError = (error: unknown) => logger.error({ err: error }, 'the API keys stay as they were');
  const keyring = await Keyring.open({ file, clock, onError });
  const loopbackOnly = loopback.has(host);
  if (!loopbackOnly && auth !== 'insecure-open' && !keyring.everAny) {
    throw new DrayError(
      'unauthenticated',
      `--host ${host}: other machines could call this server, and there is no API key. ` +
        `Create one with \`dray keys create ${config.keys === undefined ? `--data ${config.data}` : `--keys ${file}`}\`, or let whoever reaches the address do ` +
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
