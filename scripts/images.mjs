/**
 * npm run images [-- --only api,worker] [--tag t] [--registry r] [--tool docker|podman|buildah] [--json]
 *                   [--archive folder [--gzip]] [--push]
 *                   [--node-image name | --machine-base] [--go-image name | --minio file]
 *                   [--tf-serving [--tf-serving-image name]]
 *
 * Builds the images of deploy/docker/Dockerfile and, with --tf-serving, that of TensorFlow Serving with a model.
 * DRAY_BUILD_ARGS has more arguments of each build, by spaces.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildImages, others, targets, version } from './images/build.mjs';
import { findTool, toolNames } from './images/tools.mjs';

const usage = `npm run images [-- --only ${targets.join(',')}] [--tag ${version}] [--registry r] [--tool ${toolNames.join('|')}]
                  [--archive folder [--gzip]] [--push] [--json]
                  [--node-image name | --machine-base] [--go-image name | --minio file]
                  [--tf-serving [--tf-serving-image name]]`;

const values = options();
const named = values.only?.split(',') ?? targets;
const chosen = values['tf-serving'] ? [...new Set([...named, 'tf-serving'])] : named;
check();
try {
  const tool = await findTool(values.tool);
  const images = [];
  const choices = {
    ...values,
    nodeImage: values['node-image'],
    machineBase: values['machine-base'],
    goImage: values['go-image'],
    tfServingImage: values['tf-serving-image'],
    more: (process.env.DRAY_BUILD_ARGS ?? '').split(' ').filter(Boolean),
  };
  const say = (image) => console.error(`building ${image} with ${tool.name}`);
  for await (const built of buildImages(tool, chosen, choices, say)) images.push(built);
  console.log(values.json ? JSON.stringify({ tool: tool.name, images }, null, 2) : table(images));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

function options() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const names = { only: text, tag: { ...text, default: version }, registry: text, tool: text, archive: text };
  const bases = { 'node-image': text, 'machine-base': flag, 'go-image': text, minio: text };
  const more = { 'tf-serving': flag, 'tf-serving-image': text };
  try {
    return parseArgs({ options: { ...names, ...bases, ...more, gzip: flag, push: flag, json: flag } }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

function check() {
  const all = [...targets, ...others];
  const unknown = chosen.filter((target) => !all.includes(target));
  if (unknown.length > 0) refuse(`No such image: ${unknown.join(', ')}. There are: ${all.join(', ')}.`);
  if (!/^\w[\w.-]{0,127}$/.test(values.tag)) refuse(`--tag ${values.tag} is none that an image can have.`);
  if (values.registry !== undefined && !/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/.test(values.registry))
    refuse(`--registry ${values.registry} is none: host/path, in small letters, without https://.`);
  if (values.tool !== undefined && !toolNames.includes(values.tool))
    refuse(`--tool ${values.tool} is none of ${toolNames.join(', ')}.`);
  if (values.push && values.registry === undefined) refuse('--push needs --registry, which says where to.');
  if (values.gzip && values.archive === undefined) refuse('--gzip is for --archive.');
  if (values['machine-base'] && values['node-image'] !== undefined)
    refuse('--machine-base makes a base image, and --node-image names another: give one of them.');
  if (values['tf-serving-image'] !== undefined && !chosen.includes('tf-serving'))
    refuse('--tf-serving-image is for --tf-serving.');
  if (values.minio !== undefined && !existsSync(values.minio))
    refuse(`--minio ${values.minio} is not there.`);
}

function refuse(message) {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function table(images) {
  const megabytes = (bytes) => (bytes === undefined ? '-' : `${(bytes / 1e6).toFixed(0)} MB`);
  const rows = images.map(({ image, bytes, compressed, seconds, archive }) => [
    ...[image, megabytes(bytes), megabytes(compressed), `${seconds.toFixed(0)} s`, archive ?? '-'],
  ]);
  const all = [['image', 'size', 'compressed', 'time', 'archive'], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] + 2))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}
