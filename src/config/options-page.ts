/** The docs page of the option table. */
import { options } from './options.js';

export function optionsPage(): string {
  return [
    '# Options of `dray serve`',
    '',
    'Generated from `src/config/options.ts` by `npm run docs`; do not edit. A flag wins over its variable.',
    '',
    '| flag | variable | type | default | what it sets |',
    '|---|---|---|---|---|',
    ...options.map(
      (option) =>
        `| \`${option.flag}\` | \`${option.variable}\` | ${option.type} | ${option.default ? `\`${option.default}\`` : ''} | ${option.doc} |`,
    ),
    '',
  ].join('\n');
}
