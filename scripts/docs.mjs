// Writes the generated references: docs/errors.md and docs/options.md. `--check` fails where they are stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { errorsPage } from '../dist/jobs/errors-page.js';
import { optionsPage } from '../dist/config/options-page.js';

const pages = { 'docs/errors.md': errorsPage(), 'docs/options.md': optionsPage() };
for (const [file, text] of Object.entries(pages)) {
  const url = new URL(`../${file}`, import.meta.url);
  if (!process.argv.includes('--check')) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${file} is stale: run npm run docs`);
    process.exitCode = 1;
  }
}
