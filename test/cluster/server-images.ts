/**
 * The chart's servers without a registry: of this machine's Debian packages and of the MinIO that `node
 * scripts/setup.mjs --services` builds. They take what the official images take, as far as the chart relies on it.
 */
import { s3Program } from '../../scripts/services/s3.mjs';
import type { MachineImage } from './machine-image.js';

const user = '999:999';

export const serverImages = {
  redis: (): MachineImage => ({
    packages: ['redis-server', 'redis-tools'],
    user,
    entrypoint: [],
    command: ['redis-server'],
    workingDir: '/data',
    folders: ['data'],
  }),

  rabbitmq: (): MachineImage => ({
    packages: ['rabbitmq-server'],
    without: ['adduser', 'logrotate', 'openssl', 'python3', 'systemd', 'init-system-helpers'],
    user,
    // Debian's commands on the PATH change to a user of their own; the scripts behind them do not.
    env: {
      PATH: '/usr/lib/rabbitmq/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/var/lib/rabbitmq',
      LANG: 'C.UTF-8',
      LC_ALL: 'C.UTF-8',
      RABBITMQ_DATA_DIR: '/var/lib/rabbitmq',
      RABBITMQ_LOGS: '-',
      // Of what it does at an upgrade, which it writes to a file all the same.
      RABBITMQ_LOG_BASE: '/var/lib/rabbitmq/log',
      ERL_CRASH_DUMP: '/dev/null',
    },
    entrypoint: [],
    command: ['rabbitmq-server'],
    folders: ['etc/rabbitmq/conf.d', 'var/lib/rabbitmq'],
  }),

  s3: (): MachineImage => ({
    programs: { minio: s3Program() },
    user: '1000:1000',
    entrypoint: ['minio'],
    command: ['server', '--quiet', '--address', ':9000', '/data'],
    folders: ['data'],
  }),
} as const;
