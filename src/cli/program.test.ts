import { describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import { options, type Config } from '../config/options.js';
import { readConfig } from '../config/read-config.js';
import { buildProgram } from './program.js';

type Serve = (config: Config) => Promise<void>;

async function run(line: string, serve: Serve = () => Promise.resolve()) {
  let out = '';
  let err = '';
  const keep = (add: (text: string) => void) => ({
    write: (text: string) => {
      add(text);
      return true;
    },
  });
  const program = buildProgram({
    serve,
    serveApart: (_, config) => serve(config),
    serveModels: serve,
    checkInvariants: () => Promise.reject(new Error('this test has no data folder')),
    diagnose: () => Promise.reject(new Error('this test has no machine')),
    diagnoseServers: () => Promise.reject(new Error('this test has no servers')),
    diagnoseKubernetes: () => Promise.reject(new Error('this test has no cluster')),
    diagnoseModels: () => Promise.reject(new Error('this test has no models')),
    clock: systemClock,
    terminal: {
      out: keep((text) => (out += text)),
      err: keep((text) => (err += text)),
      width: 80,
      paint: (_, text) => text,
    },
  });
  const code = await program.run(['node', 'dray', ...line.split(' ').filter((word) => word !== '')]);
  return { code, out, err };
}

/** The discard port, on which nothing listens on loopback. */
const nowhere = '--server http://127.0.0.1:9';

describe('the command line', () => {
  it.each([
    ['no-such-command', 'unknown command'],
    ['jobs list --no-such-flag', 'unknown option'],
    ['jobs get', 'missing required argument'],
    ['jobs list --status done', 'Allowed choices are scheduled, pending'],
    ['doctor --wait 60s', '--wait is for the servers of a deployment'],
    [
      'doctor --wait soon --queue amqp://x --state redis://x --blobs s3://x',
      '--wait: "soon" is no time such as 60s',
    ],
    ['jobs list --limit none', '--limit: "none" is not a number above 0'],
    ['jobs list --server ftp://x', '--server must be an http or https address'],
    ['submit matmul only-one.npy', 'matmul takes two files, not 1'],
    ['submit matmul no-such-a.npy no-such-b.npy', 'no-such-a.npy: no such file'],
    ['submit echo some.npy', 'echo takes no files'],
    ['submit echo --input {', '--input is not JSON'],
    ['submit echo --input @no-such-file', '--input: cannot read no-such-file'],
    ['submit echo --attempts 0', '--attempts: "0"'],
    ['submit echo --timeout soon', '--timeout: "soon" is not a duration'],
    ['submit echo --dtype float32 --input 1', '--dtype and --no-verify are for matmul'],
    ['submit echo -d -o x.json', '--output needs the result'],
    ['submit echo -o no-such-folder/x.json', 'cannot write into no-such-folder'],
    ['jobs list --api-key ✓', 'a key holds characters that a header of HTTP cannot carry'],
    ['submit echo --idempotency-key ✓', 'a key holds characters'],
    ['serve --queue amqp://host', 'start `dray api`, `dray worker` and `dray controller` with it'],
    ['worker --queue amqp://host --blobs s3://b', '--state (DRAY_STATE) is missing'],
    [
      'api --queue http://me:secret@host --state redis://host --blobs s3://b',
      '--queue (DRAY_QUEUE): "http://me:***@host" is not an address of amqp:// or amqps://',
    ],
    ['serve --port 99999', '--port (DRAY_PORT): "99999" is not a whole number from 0 to 65535'],
  ])('refuses `%s` with exit code 2 and says why', async (line, why) => {
    const { code, out, err } = await run(line);
    expect(err).toContain(why);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('  → ');
  });

  it.each([
    'jobs list',
    'jobs get x',
    'jobs cancel x',
    'jobs redrive x',
    'result x',
    'submit echo',
    'scale explain',
  ])('ends `%s` with exit code 3 where no server listens', async (line) => {
    const { code, err } = await run(`${line} ${nowhere}`);
    expect(err).toContain('no dray server at http://127.0.0.1:9\n  → Start one with `dray serve`');
    expect(code).toBe(3);
  });

  it('writes errors as JSON where JSON is wanted', async () => {
    const { code, out, err } = await run(`jobs get x --json ${nowhere}`);
    expect(code).toBe(3);
    expect(out).toBe('');
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'unreachable' } });
  });

  it('documents the exit codes in its help, which is no error', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toContain('3 the server cannot be reached');
  });

  it('documents every option of serve with its variable', async () => {
    const { out } = await run('serve --help');
    expect(out).toContain('--executor-memory <size>');
    expect(out).toContain('DRAY_EXECUTOR_MEMORY');
  });
});

describe('a server', () => {
  it('gets its options as a configuration', async () => {
    let got: Config | undefined;
    const { code } = await run('serve --port 0 --executor-memory 1g --data somewhere', (config) => {
      got = config;
      return Promise.resolve();
    });
    expect(code).toBe(0);
    expect(got).toMatchObject({ port: 0, executorMemory: 1024 ** 3, data: 'somewhere' });
  });

  const servers = '--queue amqp://host --state redis://host --blobs s3://bucket';
  it.each(['serve', 'api', 'worker', 'controller'] as const)(
    'of %s heeds the flag of every option',
    async (mode) => {
      const others = {
        integer: '1021',
        number: '2.5',
        bytes: '1000m',
        duration: '77',
        share: '0.5',
        list: 'x.js',
        string: 'x',
        json: '[]',
        name: 'x',
      };
      for (const { name, flag, type, values, schemes } of options.filter(({ modes }) =>
        modes.includes(mode),
      )) {
        const other = { ...others, switch: '', address: `${schemes?.at(-1) ?? ''}://other` };
        const got: Config[] = [];
        const given = mode === 'serve' ? '' : servers;
        const text = values?.at(-1) ?? other[type];
        await run(`${mode} ${given} ${flag} ${text}`, (config) => Promise.resolve(void got.push(config)));
        expect(got[0]?.[name], flag).not.toEqual(readConfig({})[name]);
      }
    },
  );

  it('says what to do where the port is taken', async () => {
    const taken = Object.assign(new Error('listen EADDRINUSE: 127.0.0.1:8080'), { code: 'EADDRINUSE' });
    const { code, err } = await run('serve', () => Promise.reject(taken));
    expect(code).toBe(1);
    expect(err).toContain('another --port');
  });
});
