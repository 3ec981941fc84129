/** The programs that existing clients call with: curl, and Python with nothing but its standard library. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const options = { maxBuffer: 64 * 1024 * 1024 };

export interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  /** The body parsed as JSON. */
  json(): unknown;
}

/** Runs curl with these arguments. It follows no redirect. */
export function curl(...args: readonly string[]): Promise<Answer> {
  return curlSending('', ...args);
}

/** The same with a body on its standard input, which `--data-binary @-` reads: an argument may not be that long. */
export async function curlSending(body: string, ...args: readonly string[]): Promise<Answer> {
  const running = run('curl', ['--silent', '--show-error', '--include', ...args], options);
  running.child.stdin?.on('error', () => undefined); // curl may have its answer before it has read all
  running.child.stdin?.end(body);
  const parts = (await running).stdout.split('\r\n\r\n');
  // Before the answer to a large body comes a head that only says: continue.
  while (/^HTTP\/1\.1 1\d\d/.test(parts[0]!)) parts.shift();
  const [statusLine, ...lines] = parts.shift()!.split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const text = parts.join('\r\n\r\n');
  return {
    status: Number(statusLine!.split(' ')[1]),
    headers: new Map(headers),
    text,
    json: () => JSON.parse(text) as unknown,
  };
}

/** Runs a script, whose arguments are in sys.argv, and returns what it printed. */
export async function python(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('python3', ['-I', '-c', script, ...args], options);
  return stdout.trim();
}
