/** helm and kubectl, as they are on PATH, and whether tests of the chart can run at all. */
import { spawn, spawnSync } from 'node:child_process';
import { noCluster } from './cluster.js';

/** Why tests that install the chart are skipped, which the last line counts; undefined where they run. */
export const noChart = noCluster ? 'KUBECONFIG is not set' : absentProgram();

function absentProgram(): string | undefined {
  const absent = ['helm', 'kubectl'].filter((name) => spawnSync(name, ['version', '--client']).error);
  if (absent.length === 0) return undefined;
  const reason = `tests of the chart need ${absent.join(' and ')} on PATH`;
  if (process.env['CI'] !== undefined) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return reason;
}

export interface RunOptions {
  /** For its standard input. */
  readonly input?: string | undefined;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** @returns what it printed. @throws an Error with what it said, where it failed. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { input = '', env } = options;
  const child = spawn(program, args, { stdio: 'pipe', env: { ...process.env, ...env } });
  let [printed, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdin.on('error', () => undefined); // it may have ended before it has read all
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (code === 0) return printed;
  throw new Error(`${program} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${said}${printed}`);
}
