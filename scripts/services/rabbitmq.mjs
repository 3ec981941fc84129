/** A RabbitMQ of one's own: loopback only, all data in one folder, settings of deploy/services/rabbitmq.conf. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answers } from './greeting.mjs';
import { MissingProgram, findProgram, freePort, ready, startProcess } from './process.mjs';

const settings = fileURLToPath(new URL('../../deploy/services/rabbitmq.conf', import.meta.url));
const node = 'dray@localhost';

/** @throws MissingProgram where this machine has none */
export function rabbitPrograms() {
  // Debian's command on the PATH changes to the user rabbitmq and to its folders; the script behind it does not.
  const server = findProgram('rabbitmq-server', ['/usr/lib/rabbitmq/bin/rabbitmq-server']);
  if (!server) throw new MissingProgram('rabbitmq-server', 'apt-get install rabbitmq-server');
  return {
    server,
    control: findProgram('rabbitmqctl', ['/usr/lib/rabbitmq/bin/rabbitmqctl']),
    register: findProgram('epmd', ['/usr/bin/epmd']),
  };
}

/**
 * Starts it on a new folder, or again on one that it had, after `stop()` or `kill()`; it takes about five
 * seconds. Has an epmd of its own too, Erlang's register of node names: one that is started on demand becomes a
 * daemon that outlives the broker.
 * @param {{ folder: string, port?: number, user?: string, password?: string,
 *   config?: Record<string, string | number>, plugins?: readonly string[],
 *   detached?: (pid: number) => void }} options `folder` is made, and is the caller's
 *   to remove; `port` is a free one by default; `user` and `password` (guest, guest) are set in a new folder only;
 *   `config` adds lines of rabbitmq.conf
 * @returns {Promise<{ url: string, port: number, pid: number, env: Record<string, string>,
 *   control(...args: string[]): Promise<string>, addVhost(name: string): Promise<string>,
 *   stop(): Promise<void>, kill(): Promise<void> }>}
 *   `env` is what rabbitmqctl needs to find this broker, `control` runs it with these arguments and gives what it
 *   prints, in a second or two; `addVhost` makes a virtual host within milliseconds and gives its URL; `kill()` is
 *   kill -9
 */
export async function startRabbit({
  folder,
  port,
  user = 'guest',
  password = 'guest',
  config = {},
  plugins = [],
  detached,
}) {
  const programs = rabbitPrograms();
  const home = resolve(folder);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  port ??= await freePort();
  const [distribution, register] = [await freePort(), await freePort()];
  const file = (name, text) => {
    writeFileSync(join(home, name), text, { mode: 0o600 });
    return join(home, name);
  };
  const own = {
    'listeners.tcp.local': `127.0.0.1:${port}`,
    default_user: user,
    default_pass: password,
    'disk_free_limit.absolute': '200MB',
    ...config,
  };
  const env = {
    HOME: home, // where the Erlang cookie is made
    ERL_EPMD_PORT: String(register),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: node,
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'logs'),
    RABBITMQ_PID_FILE: join(home, 'pid'),
    RABBITMQ_CONF_ENV_FILE: file('env.conf', ''),
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf', configuration(own)),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', `[${plugins.join(',')}].\n`),
    // The start script then turns into the broker, so that the pid that we started is the broker's.
    detached: 'true',
  };
  const names = startProcess({
    name: 'epmd',
    command: programs.register,
    args: ['-port', String(register), '-address', '127.0.0.1'],
    env,
    log: join(home, 'epmd.log'),
    detached,
  });
  const broker = startProcess({
    name: 'rabbitmq-server',
    command: programs.server,
    args: [],
    env,
    cwd: home,
    log: join(home, 'log'),
    detached,
  });
  const end = async (how) => {
    await broker[how]();
    await names[how]();
  };
  try {
    await ready(broker, () => answers(port, 'AMQP\0\0\x09\x01', '\x01'), 90);
  } catch (error) {
    await end('stop');
    throw error;
  }
  const run = async (command, args, input = '') => {
    const running = promisify(execFile)(command, args, { env: { ...process.env, ...env } });
    running.child.stdin.end(input);
    return (await running).stdout.trim();
  };
  // Each rabbitmqctl starts a virtual machine of Erlang; this small program speaks to the broker's own. The broker
  // takes one caller of a name at a time.
  let callers = 0;
  const evaluate = async (erlang) => {
    const caller = ['-h', `caller${process.pid}x${callers++}`];
    const args = ['-address', `127.0.0.1:${distribution}`, ...caller, '-e'];
    const answer = await run('erl_call', args, `${erlang}.\n`);
    if (!answer.startsWith('{ok,')) throw new Error(`RabbitMQ answers ${answer} to ${erlang}`);
  };
  const url = `amqp://${user}:${password}@127.0.0.1:${port}`;
  return {
    url,
    port,
    pid: broker.pid,
    env,
    control: (...args) => run(programs.control, ['--node', node, '--quiet', ...args]),
    async addVhost(name) {
      await evaluate(`
        User = <<"${user}">>, Host = <<"${name}">>, All = <<".*">>,
        rabbit_vhost:add(Host, User),
        ok = rabbit_auth_backend_internal:set_permissions(User, Host, All, All, All, User)`);
      return `${url}/${encodeURIComponent(name)}`;
    },
    stop: () => end('stop'),
    kill: () => end('kill'),
  };
}

/** The shared settings, with one's own in the place of those of the same name. */
function configuration(own) {
  const shared = readFileSync(settings, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#') && !(line.split('=')[0].trim() in own));
  const lines = Object.entries(own).map(([name, value]) => `${name} = ${value}`);
  return `${[...shared, ...lines].join('\n')}\n`;
}
