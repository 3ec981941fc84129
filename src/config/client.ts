/** What the command line reads from its environment when it talks to a server. */

export type Environment = Readonly<Record<string, string | undefined>>;

const fallback = 'http://127.0.0.1:8080';

/** The address that the user gave cannot be used; the message says why. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
}

export function environment(): Environment {
  return process.env;
}

/**
 * The server to talk to: the flag, else DRAY_SERVER, else the default of `dray serve`. The scheme may be left
 * out.
 *
 * @throws AddressError where it is no http or https address.
 */
export function serverAddress(flag: string | undefined, env: Environment = environment()): URL {
  const text = flag ?? (env['DRAY_SERVER'] || fallback);
  const from = flag === undefined ? 'DRAY_SERVER' : '--server';
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `http://${text}`);
  } catch {
    throw new AddressError(`${from} is not an address: ${JSON.stringify(text)}`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AddressError(`${from} must be an http or https address, not ${JSON.stringify(text)}`);
  }
  url.search = '';
  url.hash = '';
  return url;
}

/** The key to send to the server: the flag, else DRAY_API_KEY, else none. */
export function apiKey(flag: string | undefined, env: Environment = environment()): string | undefined {
  return flag ?? (env['DRAY_API_KEY'] || undefined);
}

/** True where the user wants no colours (https://no-color.org). */
export function coloursUnwanted(env: Environment = environment()): boolean {
  return (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
}
