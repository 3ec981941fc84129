/** What builds images: three programs that read the same Dockerfile and take almost the same words. */
import { spawn } from 'node:child_process';

/** HEALTHCHECK is known to Docker's format alone. */
const format = ['--format', 'docker'];
const inspected = async (run, image) =>
  Number((await run(['image', 'inspect', '--format', '{{.Size}}', image])).trim());

/** In the order in which they are tried. */
const kinds = {
  docker: {
    // Asks the engine: a client without one builds nothing.
    probe: ['version', '--format', '{{.Server.Version}}'],
    build: ['build'],
    exists: (image) => ['image', 'inspect', image],
    save: (image, file) => ['save', '--output', file, image],
    push: (image) => ['push', image],
    size: inspected,
  },
  podman: {
    probe: ['info'],
    build: ['build', '--layers', ...format],
    exists: (image) => ['image', 'exists', image],
    save: (image, file) => ['save', '--format', 'docker-archive', '--output', file, image],
    push: (image) => ['push', ...format, image],
    size: inspected,
  },
  buildah: {
    probe: ['info'],
    // The others leave nothing of a build that failed.
    build: ['build', '--layers', '--force-rm', ...format],
    exists: (image) => ['inspect', '--type', 'image', image],
    save: (image, file) => ['push', image, `docker-archive:${file}:${image}`],
    push: (image) => ['push', ...format, image, `docker://${image}`],
    size: async (run, image) => {
      const { Manifest } = JSON.parse(await run(['inspect', '--type', 'image', image]));
      return JSON.parse(Manifest).layers.reduce((sum, { size }) => sum + size, 0);
    },
  },
};
export const toolNames = Object.keys(kinds);

/**
 * @param {string | undefined} name
 * @returns {Promise<{ name: string, build(args: string[]): Promise<void>, exists(image: string): Promise<boolean>,
 *   save(image: string, file: string): Promise<void>, push(image: string): Promise<void>,
 *   size(image: string): Promise<number> }>} `size` is that of the layers, uncompressed, in bytes
 * @throws Error with what to do, where there is none
 */
export async function findTool(name) {
  const failures = [];
  for (const program of name === undefined ? toolNames : [name]) {
    const kind = kinds[program];
    const run = (args) => output(program, args);
    try {
      await run(kind.probe);
    } catch (error) {
      failures.push(`  ${program}: ${error.message.split('\n').at(-1)}`);
      continue;
    }
    return {
      name: program,
      build: async (args) => void (await run([...kind.build, ...args])),
      exists: (image) =>
        run(kind.exists(image)).then(
          () => true,
          () => false,
        ),
      save: async (image, file) => void (await run(kind.save(image, file))),
      push: async (image) => void (await run(kind.push(image))),
      size: (image) => kind.size(run, image),
    };
  }
  throw new Error(`${name ?? 'Nothing here'} builds no images:
${failures.join('\n')}
Start Docker, or install one of them: apt-get install buildah`);
}

/** How much of what a program printed is kept, in characters. */
const bound = 2 ** 20;
/** Of a program that failed. */
const lastLines = 25;

/** @returns what it wrote to stdout. @throws Error with its last lines */
export function output(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let all = '';
    let stdout = '';
    const keep = (text, more) => (text + more).slice(-bound);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      all = keep(all, text);
      stdout = keep(stdout, text);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (all = keep(all, text)));
    child.on('error', (error) =>
      reject(error.code === 'ENOENT' ? new Error('is not installed', { cause: error }) : error),
    );
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(stdout);
      const said = all.trim().split('\n').slice(-lastLines).join('\n');
      reject(new Error(said === '' ? `ended with ${signal ?? status}` : said));
    });
  });
}
