/** Recordings for pictures: kept where DRAY_TEST_RECORDINGS names a folder for them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recorder, Sample } from './recorder.js';

const columns = ['seconds', 'desired', 'wanted', 'workers', 'ready', 'running', 'waiting'] as const;

/** A row for each second: in a picture nobody sees more. */
export async function saveRecording(
  recorder: Recorder,
  about: { readonly name: string; readonly startedAt: number } & Readonly<Record<string, unknown>>,
): Promise<void> {
  const folder = process.env['DRAY_TEST_RECORDINGS'];
  if (!folder) return;
  const { startedAt, ...rest } = about;
  const rows = new Map(
    recorder.samples.map((sample) => {
      const seconds = Math.round((sample.at - startedAt) / 1_000);
      return [seconds, [seconds, ...figures(sample)]];
    }),
  );
  const lines = [...rows.values()].map((row) => `    ${JSON.stringify(row)}`).join(',\n');
  const head = JSON.stringify({ ...rest, columns }, null, 2).slice(0, -2);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${about.name}.json`), `${head},\n  "rows": [\n${lines}\n  ]\n}\n`);
}

function figures({ desired, wanted, pods, ready, running, waiting }: Sample): (number | null)[] {
  return [desired ?? null, wanted, pods.length, ready, running, waiting ?? null];
}
