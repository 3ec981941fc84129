/**
 * Redis and RabbitMQ of one's own: free loopback ports, all data in one folder, nothing shared with servers
 * that the machine may run already, ended by pid. They come from the distribution's packages.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { freePort, ready, startProcess } from '../harness/process.mjs';

/**
 * @param {{ folder: string, appendfsync?: 'always' | 'everysec' }} options `folder` is made, and is the
 *   caller's to remove after `stop()`
 * @returns {Promise<{ url: string, port: number, pid: number, stop(): Promise<void> }>}
 */
export async function startRedis({ folder, appendfsync = 'everysec' }) {
  const command = find('redis-server', ['/usr/bin/redis-server']);
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync,
    save: '',
    // A queue's memory must refuse new work when it is full, never drop what it holds.
    'maxmemory-policy': 'noeviction',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const service = startProcess({ name: 'redis-server', command, args, log: join(folder, 'log') });
  await ready(service, () => answers(port, 'PING\r\n', '+PONG'));
  return { url: `redis://127.0.0.1:${port}`, port, pid: service.pid, stop: () => service.stop() };
}

/**
 * Starts its own epmd too, Erlang's register of node names: one that is started on demand becomes a daemon
 * that outlives the broker.
 * @param {{ folder: string, config?: Record<string, string | number> }} options `config` adds lines of rabbitmq.conf
 * @returns {Promise<{ url: string, port: number, pid: number, env: Record<string, string>, stop(): Promise<void> }>}
 *   `env` is what rabbitmqctl needs to find this broker
 */
export async function startRabbit({ folder, config = {} }) {
  // Debian's command on the PATH changes to the user rabbitmq and to its folders; the script behind it does not.
  const command = find('rabbitmq-server', ['/usr/lib/rabbitmq/bin/rabbitmq-server']);
  mkdirSync(folder, { recursive: true });
  const [port, distribution, register] = [await freePort(), await freePort(), await freePort()];
  const settings = {
    'listeners.tcp.local': `127.0.0.1:${port}`,
    'disk_free_limit.absolute': '200MB',
    'log.file.level': 'warning',
    ...config,
  };
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const env = {
    HOME: folder, // where the Erlang cookie is made
    ERL_EPMD_PORT: String(register),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: 'dray@localhost',
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'logs'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_CONF_ENV_FILE: file('env.conf', ''),
    RABBITMQ_CONFIG_FILE: file(
      'rabbitmq.conf',
      Object.entries(settings)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
    ),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', '[].\n'),
    // The start script then turns into the broker, so that the pid that we started is the broker's.
    detached: 'true',
  };
  const epmd = startProcess({
    name: 'epmd',
    command: find('epmd', ['/usr/bin/epmd']),
    args: ['-port', String(register), '-address', '127.0.0.1'],
    env,
    log: join(folder, 'epmd.log'),
  });
  const broker = startProcess({
    name: 'rabbitmq-server',
    command,
    args: [],
    env,
    cwd: folder,
    log: join(folder, 'log'),
  });
  const stop = async () => {
    await broker.stop();
    await epmd.stop();
  };
  try {
    await ready(broker, () => answers(port, 'AMQP\0\0\x09\x01', '\x01'), 90);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `amqp://guest:guest@127.0.0.1:${port}//`, port, pid: broker.pid, env, stop };
}

function find(name, places) {
  const place = places.find((path) => existsSync(path));
  if (place) return place;
  const which = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
  if (which.status === 0) return which.stdout.trim();
  throw new Error(`${name} is missing: on Debian, apt-get install redis-server rabbitmq-server`);
}

/** True where the server on this port answers the greeting with bytes that begin as expected. */
function answers(port, greeting, expected) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(greeting, 'latin1'));
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('data', (data) => end(data.toString('latin1').startsWith(expected)));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
