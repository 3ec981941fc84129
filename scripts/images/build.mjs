/** Builds of the Dockerfiles below deploy/docker, and archives of what was built. */
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
} from 'node:fs';
import { renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { machineBase } from './machine-base.mjs';
import { output } from './tools.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Stages of the Dockerfile that are images. */
export const targets = ['api', 'controller', 'worker', 's3'];
/** Those that few need, each with a Dockerfile of its own. */
export const others = ['tf-serving'];

const advice = `Where the base images cannot be pulled, name others (--node-image, --go-image); what a build needs on this
machine beside that goes into DRAY_BUILD_ARGS: docs/deployment.md, "Images".`;

/**
 * @typedef {{ tag: string, registry?: string, nodeImage?: string, machineBase?: boolean, goImage?: string,
 *   tfServingImage?: string, minio?: string, archive?: string, gzip?: boolean, push?: boolean, more: readonly string[] }} Choices
 * `more` are arguments of each build
 */

/**
 * @param {Awaited<ReturnType<import('./tools.mjs').findTool>>} tool
 * @param {readonly string[]} chosen of `targets` and `others`
 * @param {Choices} choices
 * @param {(image: string) => void} onStart
 * @returns {AsyncGenerator<{ image: string, bytes: number, compressed?: number, seconds: number, archive?: string }>}
 */
export async function* buildImages(tool, chosen, choices, onStart) {
  const folder = mkdtempSync(join(tmpdir(), 'dray-build-'));
  try {
    const shared = await common(choices);
    let ofStages;
    for (const target of chosen) {
      const args = others.includes(target)
        ? otherArgs(target, choices)
        : [...(ofStages ??= await stageArgs(tool, choices, folder)), '--target', target];
      const image = `${choices.registry ? `${choices.registry}/` : ''}dray-${target}:${choices.tag}`;
      onStart(image);
      const began = performance.now();
      await tool.build([...shared, ...args, '--tag', image, root]).catch((error) => {
        throw new Error(`${image} was not built; ${tool.name} says:\n${error.message}\n${advice}`, {
          cause: error,
        });
      });
      const seconds = (performance.now() - began) / 1000;
      const kept = choices.archive && (await archive(tool, image, target, choices));
      if (choices.push) await tool.push(image);
      yield { image, bytes: await tool.size(image), seconds, ...kept };
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Arguments that all builds share. */
async function common({ tag, more }) {
  const labels = { version: tag, revision: await git('rev-parse', 'HEAD'), source: await source() };
  return [
    ...more,
    ...Object.entries(labels).flatMap(([name, value]) =>
      value ? ['--label', `org.opencontainers.image.${name}=${value}`] : [],
    ),
  ];
}

async function stageArgs(tool, choices, folder) {
  const { nodeImage, machineBase: ofMachine, goImage, more } = choices;
  const node = ofMachine ? await machineBase(tool, more) : nodeImage;
  return [
    ...['--file', join(root, 'deploy/docker/Dockerfile')],
    ...(node ? ['--build-arg', `NODE_IMAGE=${node}`] : []),
    ...(goImage ? ['--build-arg', `GO_IMAGE=${goImage}`] : []),
    ...minioContext(choices, folder),
  ];
}

function otherArgs(target, { tfServingImage }) {
  const file = ['--file', join(root, 'deploy/docker', target, 'Dockerfile')];
  return tfServingImage ? [...file, '--build-arg', `TF_SERVING_IMAGE=${tfServingImage}`] : file;
}

/** Takes the place of the stage that builds MinIO. */
function minioContext({ minio }, folder) {
  if (minio === undefined) return [];
  const bin = join(folder, 'minio/go/bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(minio, join(bin, 'minio'));
  return ['--build-context', `minio=${join(folder, 'minio')}`];
}

/** Where the sources are, if that is a place on the web: without the password that an address may hold. */
async function source() {
  const remote = await git('remote', 'get-url', 'origin');
  const [, host, path] =
    /^(?:https:\/\/|git@|ssh:\/\/git@)(?:[^@/]*@)?([\w.-]+)[/:](.+?)(?:\.git)?$/.exec(remote) ?? [];
  return host && `https://${host}/${path}`;
}

/** '' where this is no checkout. */
function git(...args) {
  return output('git', ['-C', root, ...args]).then(
    (text) => text.trim(),
    () => '',
  );
}

/** Half an archive never stands under its name. */
async function archive(tool, image, target, { archive: folder, gzip }) {
  mkdirSync(folder, { recursive: true });
  const file = resolve(folder, `dray-${target}.tar${gzip ? '.gz' : ''}`);
  const part = `${file}.part`;
  const plain = gzip ? `${part}.tar` : part;
  rmSync(plain, { force: true });
  await tool.save(image, plain);
  if (gzip) {
    await pipeline(createReadStream(plain), createGzip(), createWriteStream(part));
    rmSync(plain);
  }
  renameSync(part, file);
  return { archive: file, ...(gzip && { compressed: statSync(file).size }) };
}
