import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { availableMachine } from './machine.js';
import { options } from './options.js';
import { parseBytes, parseShare } from './parse.js';
import { readConfig, readOption } from './read-config.js';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['17', 17],
    ['64k', 65_536],
    ['512m', 536_870_912],
    ['2g', 2_147_483_648],
    ['1.5 GiB', 1_610_612_736],
    ['1t', 1_099_511_627_776],
  ])('reads %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(['', 'g', '-1', '1x', '1e9', '0x10'])('refuses "%s"', (text) =>
    expect(parseBytes(text)).toBeUndefined(),
  );
});

describe('the configuration', () => {
  it('takes a lower bound above the cores as the upper one too', () => {
    expect(readConfig({ minExecutors: '64' }, {})).toMatchObject({ minExecutors: 64, maxExecutors: 64 });
  });

  it('runs as many containers as there are cores, or 50 on a cluster', () => {
    const { cores } = availableMachine();
    expect(readConfig({ containers: 'podman' }, {}).containerSlots).toBe(cores);
    expect(readConfig({ containers: 'docker' }, {}).containerSlots).toBe(cores);
    expect(readConfig({ containers: 'kubernetes' }, {}).containerSlots).toBe(50);
    expect(readConfig({ containers: 'podman', containerSlots: '7' }, {}).containerSlots).toBe(7);
  });

  it('takes an empty variable for one that is not set', () => {
    const environment = { DRAY_PORT: '', SIMULATE_WORKLOAD_DURATION_IN_SEC: '' };
    expect(readConfig({}, environment)).toMatchObject({ port: 8080, simulate: 0 });
  });

  it('knows the variable by which matrix service A simulates work', () => {
    expect(readConfig({}, { SIMULATE_WORKLOAD_DURATION_IN_SEC: '2.5' }).simulate).toBe(2.5);
  });

  it('takes several modules of tasks, between commas', () => {
    expect(readConfig({ tasks: './a.js, ../b c.mjs,' }, {}).tasks).toEqual(['./a.js', '../b c.mjs']);
    expect(readConfig({}, { DRAY_TASKS: '/x.js' }).tasks).toEqual(['/x.js']);
    expect(readConfig({}, {}).tasks).toEqual([]);
  });

  it('takes a time in any unit, and a bare one as seconds', () => {
    const times = { slo: '250ms', drainTarget: '2.5', keepFor: '1.5h', keepUploads: '7d' };
    expect(readConfig(times, {})).toMatchObject({
      slo: 0.25,
      drainTarget: 2.5,
      keepFor: 5_400,
      keepUploads: 604_800,
    });
  });

  it('takes flags before variables before defaults', () => {
    const environment = { DRAY_PORT: '9000', DRAY_DATA: '/from/env' };
    expect(readConfig({ port: '7000' }, environment)).toMatchObject({
      port: 7000,
      data: '/from/env',
      host: '127.0.0.1',
    });
  });

  it('takes a switch as a flag alone, or as a variable that is true or false', () => {
    expect(readConfig({ openDoors: true }, { DRAY_OPEN_DOORS: 'false' }).openDoors).toBe(true);
    expect(readConfig({}, { DRAY_OPEN_DOORS: '1' }).openDoors).toBe(true);
    expect(readConfig({}, {}).openDoors).toBe(false);
    expect(() => readConfig({}, { DRAY_OPEN_DOORS: 'yes' })).toThrow(/--open-doors.*true or false/);
  });

  it('opens a server in so many words only', () => {
    for (const auth of ['off', 'none', 'open', 'false']) {
      expect(() => readConfig({ auth }, {})).toThrow(/--auth.*insecure-open/);
    }
  });

  it('is frozen', () => {
    expect(Object.isFrozen(readConfig({}, {}))).toBe(true);
  });

  it('shares the memory among the executors where it is scarce', () => {
    const many = readConfig({ maxExecutors: '1000' }, {});
    expect(many.executorMemory * many.maxExecutors).toBeLessThan(
      readConfig({ maxExecutors: '1' }, {}).executorMemory * 1000,
    );
  });

  it.each([
    [{ port: '70000' }, /--port.*DRAY_PORT.*65535/],
    [{ port: 'http' }, /whole number/],
    [{ maxExecutors: '0' }, /--max-executors/],
    [{ minExecutors: '3', maxExecutors: '2' }, /--min-executors \(3\) is above --max-executors \(2\)/],
    [{ drainTarget: 'soon' }, /--drain-target.*30s or 5m/],
    [{ slo: '0' }, /--slo.*from 0\.1/],
    [{ executorMemory: '10m' }, /at least 256m/],
    [{ bodyLimit: 'much' }, /--body-limit.*size/],
  ])('names the option that is wrong: %o', (flags, message) => {
    expect(() => readConfig(flags, {})).toThrow(message);
  });
});

describe('shares', () => {
  it.each([
    ['0.8', 0.8],
    ['80%', 0.8],
    ['1', 1],
  ])('may be given as %s', (text, share) => expect(parseShare(text)).toBe(share));

  it.each(['', '%', '-0.1', '0.8x', '8/10'])('may not be given as "%s"', (text) =>
    expect(parseShare(text)).toBeUndefined(),
  );
});

describe('the file of options', () => {
  let folder: string;
  let config: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-config-'));
    config = join(folder, 'dray.json');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is taken before the defaults, after variables and flags', async () => {
    const content = { port: 1, host: '::1', keepFor: '2h', slo: 0.5, diskShare: '70%', bodyLimit: '1g' };
    await writeFile(config, `\uFEFF${JSON.stringify(content)}`);
    const environment = { DRAY_CONFIG: config, DRAY_PORT: '2', DRAY_HOST: 'localhost' };
    expect(readConfig({ port: '3' }, environment)).toMatchObject({
      port: 3,
      host: 'localhost',
      keepFor: 7_200,
      slo: 0.5,
      diskShare: 0.7,
      bodyLimit: 1_073_741_824,
      data: './.dray',
    });
    expect(readConfig({ config }, { DRAY_CONFIG: 'no-such-file' }).port).toBe(1);
  });

  it('holds for commands beside the server too, after their flag and the variable', async () => {
    await writeFile(config, '{"data": "of the file"}');
    const environment = { DRAY_CONFIG: config };
    expect(readOption('data', undefined, environment)).toBe('of the file');
    expect(readOption('data', undefined, { ...environment, DRAY_DATA: 'variable' })).toBe('variable');
    expect(readOption('data', 'flag', environment)).toBe('flag');
    expect(readOption('data', undefined, {})).toBe('./.dray');
  });

  it('takes every option of the table as its variable does', async () => {
    const values = options.flatMap(({ name, variable, modes, default: text }) =>
      text === undefined || !modes.includes('serve') ? [] : [{ name, variable, text }],
    );
    await writeFile(config, JSON.stringify(Object.fromEntries(values.map(({ name, text }) => [name, text]))));
    const environment = Object.fromEntries(values.map(({ variable, text }) => [variable, text]));
    expect(readConfig({ config }, {})).toEqual(readConfig({}, environment));
  });

  it.each([
    ['{"prot": 1}', 'dray.json: "prot" is not an option; there are port, host'],
    ['{"port": 70000}', 'dray.json, "port": "70000" is not a whole number from 0 to 65535'],
    ['{"port": null}', 'dray.json: "port" must be a text, a number'],
    ['{"blas": {"path": "x"}}', 'dray.json: "blas" must be'],
    ['{"port": 1', 'dray.json: is not JSON: '],
    ['[1]', 'dray.json: must be a JSON object'],
  ])('names itself and the key that is wrong: %s', async (content, message) => {
    await writeFile(config, content);
    expect(() => readConfig({ config }, {})).toThrow(message);
  });

  it('must be there where it is named', () => {
    expect(() => readConfig({ config }, {})).toThrow('dray.json: cannot be read (ENOENT)');
  });
});
