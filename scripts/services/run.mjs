/**
 * npm run services -- up|down|status [--folder .dray/services] [--json]
 *                     [--redis-port n] [--rabbitmq-port n] [--s3-port n]
 *
 * Redis, RabbitMQ and an S3 server on loopback, from what the system has, for machines without Docker.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { down, missing, names, status, up } from './installation.mjs';

const usage = `npm run services -- up|down|status [--folder .dray/services] [--json]
                    [--redis-port n] [--rabbitmq-port n] [--s3-port n]`;

const commands = {
  async up({ folder, json, ports }) {
    const programs = missing();
    if (programs.length > 0) throw new Error(programs.map(({ message }) => message).join('\n'));
    const variables = await up({ folder, ports });
    if (json) return { services: await status({ folder }), variables };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return `${table(await status({ folder }))}

For dray api, dray worker and dray controller:
  --queue '${variables.DRAY_QUEUE}' --state '${variables.DRAY_STATE}' --blobs '${variables.DRAY_BLOBS}'

The same as variables, with the keys of the S3 server; ${join(folder, 'env')} has these lines:
${lines.map((line) => `  ${line}`).join('\n')}`;
  },
  async down({ folder, json }) {
    const ended = await down({ folder });
    if (json) return { ended };
    return ended.length > 0 ? `Ended: ${ended.join(', ')}. The data stays in ${folder}.` : 'Nothing ran.';
  },
  async status({ folder, json }) {
    const services = await status({ folder });
    return json ? { services } : table(services);
  },
};

function table(services) {
  const head = ['name', 'state', 'pid', 'address', 'data'];
  const rows = [head, ...services.map((service) => head.map((column) => String(service[column] ?? '-')))];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] + 2))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

function refuse(message) {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function options() {
  const port = { type: 'string' };
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        folder: { type: 'string', default: join('.dray', 'services') },
        json: { type: 'boolean', default: false },
        ...Object.fromEntries(names.map((name) => [`${name}-port`, port])),
      },
    });
  } catch (error) {
    return refuse(error.message);
  }
}

const { values, positionals } = options();
const command = commands[positionals[0]];
if (!command || positionals.length !== 1) refuse('Say one of up, down and status.');
const ports = Object.fromEntries(
  names.map((name) => {
    const given = values[`${name}-port`];
    if (given !== undefined && !(/^\d{1,5}$/.test(given) && given >= 1 && given <= 65_535))
      refuse(`--${name}-port ${given} is no port.`);
    return [name, given && Number(given)];
  }),
);
try {
  const answer = await command({ folder: values.folder, json: values.json, ports });
  console.log(values.json ? JSON.stringify(answer, null, 2) : answer);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
