// Writes what is generated of the chart: deploy/helm/dray/values.schema.json, and copies of what lies elsewhere, because
// Helm reads no file outside of a chart's folder. `--check` fails where a file is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { options } from '../dist/config/options.js';
import { copies } from './chart/copies.mjs';
import { valuesSchema } from './chart/values-schema.mjs';

const inRoot = (file) => new URL(`../${file}`, import.meta.url);
const files = {
  'deploy/helm/dray/values.schema.json': `${JSON.stringify(valuesSchema(options), null, 2)}\n`,
  ...Object.fromEntries(
    Object.entries(copies).map(([copy, original]) => [copy, readFileSync(inRoot(original), 'utf8')]),
  ),
};
for (const [file, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) writeFileSync(inRoot(file), text);
  else if (readFileSync(inRoot(file), 'utf8') !== text) {
    console.error(`${file} is stale: run npm run chart`);
    process.exitCode = 1;
  }
}
