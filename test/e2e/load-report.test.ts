/** loadtest/run.py and loadtest/report.py: real runs against real servers, and the report that is made of them. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/sources.js';

const python = join(root, '.venv/bin/python');

/** Runs a program of loadtest/ to its end; rejects with what it printed where its exit code is not 0. */
async function run(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, TF_SERVING: '' };
  const { stdout } = await promisify(execFile)(python, ['-B', ...args], { cwd: root, env });
  return stdout;
}

/** Of each panel of the pictures, the share of its columns that hold colour: axes and grid are grey. */
const coverage = `
import json, pathlib, sys
from PIL import Image
folder = pathlib.Path(sys.argv[1])
found = []
for name, panels in json.loads((folder / "panels.json").read_text()).items():
    picture = Image.open(folder / f"{name}.png").convert("RGB").convert("HSV").getchannel("S")
    for panel in panels:
        inside = picture.crop(panel["box"]).point(lambda value: 255 if value > 90 else 0)
        width = inside.width
        columns = inside.resize((width, 1), Image.Resampling.BOX)
        coloured = sum(1 for value in columns.tobytes() if value > 0)
        found.append({"name": name, "kind": panel["kind"], "share": coloured / width})
print(json.dumps(found))
`;

/** `node scripts/setup.mjs --python` installs locust, matplotlib and reportlab. */
describe.skipIf(!existsSync(join(root, '.venv/bin/locust')))('the report of the load test', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-load-report-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is made of real runs, with every answer right and something in every plot', async () => {
    const results = join(folder, 'measured');
    const names = ['convert-dray', 'predict-dray'];
    const printed = await run('loadtest/run.py', ...names, '--time', '10s', '--results', results);
    for (const name of names) {
      expect(printed).toMatch(new RegExp(`^${name} +measured$`, 'm'));
      const [head, ...rows] = readFileSync(join(results, name, 'run_stats.csv'), 'utf8')
        .trim()
        .split('\n');
      const total = rows.at(-1)!.split(',');
      const count = (column: string): number => Number(total[head!.split(',').indexOf(column)]);
      expect(count('Request Count'), name).toBeGreaterThan(0);
      expect(count('Failure Count'), name).toBe(0);
      const failures = readFileSync(join(results, name, 'run_failures.csv'), 'utf8');
      expect(failures.trim().split('\n'), failures).toHaveLength(1);
    }

    const pictures = join(folder, 'pictures');
    await run('loadtest/report.py', '--results', results, '--pictures', pictures);
    const panels = JSON.parse(await run('-c', coverage, pictures)) as {
      readonly name: string;
      readonly kind: 'lines' | 'marks';
      readonly share: number;
    }[];
    expect(panels).toHaveLength(3 + 3 + 4 * names.length);
    for (const panel of panels)
      expect(panel.share, JSON.stringify(panel)).toBeGreaterThan(panel.kind === 'lines' ? 0.25 : 0);

    const pdf = readFileSync(join(results, 'report.pdf'), 'latin1');
    for (const words of ['Celsiusify under load', 'Formula or model', 'none was wrong', '1 of '])
      expect(pdf).toContain(words);
    const named = [root, '127.0.0.1', tmpdir()].filter((words) => pdf.includes(words));
    expect(named).toEqual([]);
  }, 180_000);

  it('says of a target that could not be measured why not', async () => {
    const results = join(folder, 'missing');
    const printed = await run('loadtest/run.py', 'predict-tf-serving', '--results', results);
    expect(printed).toMatch(/^predict-tf-serving +not measured: it does not run here/m);
    const pdf = readFileSync(join(results, 'report.pdf'), 'latin1');
    expect(pdf).toContain('TensorFlow Serving');
    expect(pdf).toContain('not measured: it does not run here');
  });

  it('keeps to its rules about failures, silence, noise and unlike loads', async () => {
    const printed = await run('-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'loadtest');
    expect(printed).toMatch(/^\d+ passed in/m);
  }, 180_000);
});
