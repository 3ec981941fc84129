// Writes what is generated of the chart: deploy/helm/dray/values.schema.json. `--check` fails where it is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { options } from '../dist/config/options.js';
import { valuesSchema } from './chart/values-schema.mjs';

const file = 'deploy/helm/dray/values.schema.json';
const url = new URL(`../${file}`, import.meta.url);
const text = `${JSON.stringify(valuesSchema(options), null, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(url, text);
else if (readFileSync(url, 'utf8') !== text) {
  console.error(`${file} is stale: run npm run chart`);
  process.exitCode = 1;
}
