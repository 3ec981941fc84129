/** The docs page of the option table. */
import { configFileOption } from './config-file.js';
import { options } from './options.js';

export function optionsPage(): string {
  const { flag, variable, doc } = configFileOption;
  return [
    '# Options of `dray serve`',
    '',
    'Generated from `src/config/options.ts` by `npm run docs`; do not edit.',
    '',
    'Each option is a flag, a variable and a key in a file; they win over the default in this order.',
    `\`${flag} <file>\` or \`${variable}\` names the file: ${doc}.`,
    'An unknown key or a value that cannot be used is an error that names it. Paths are relative to the folder in which',
    '`dray serve` is started, wherever they are written.',
    '',
    '| flag | variable | key in the file | type | default | what it sets |',
    '|---|---|---|---|---|---|',
    ...options.map(
      (option) =>
        `| \`${option.flag}\` | \`${option.variable}\` | \`${option.name}\` | ${option.type} | ${option.default ? `\`${option.default}\`` : ''} | ${option.doc} |`,
    ),
    '',
  ].join('\n');
}
