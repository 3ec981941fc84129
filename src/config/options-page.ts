/** The docs page of the option table. */
import { configFileOption } from './config-file.js';
import type { Option } from './option.js';
import { options } from './options.js';

export function optionsPage(): string {
  const { flag, variable, doc } = configFileOption;
  return [
    '# Options of the servers',
    '',
    'Generated from `src/config/options.ts` by `npm run docs`; do not edit.',
    '',
    '`dray serve` is everything in one process; `dray api`, `dray worker` and `dray controller` are its parts, for',
    'several machines; `models` is `dray models serve`, which serves models and nothing else.',
    'Each option is a flag, a variable and a key in a file; they win over the default in this order.',
    `\`${flag} <file>\` or \`${variable}\` names the file: ${doc}.`,
    'An unknown key or a value that cannot be used is an error that names it. A command has the flags that it heeds;',
    'variables and keys of others it leaves alone, so that all may have the same file. Paths are relative to the folder',
    'in which the command is started, wherever they are written.',
    '',
    '| flag | variable | key in the file | heeded by | type | default | what it sets |',
    '|---|---|---|---|---|---|---|',
    ...options.map(
      (option) =>
        `| \`${option.flag}\` | \`${option.variable}\` | \`${option.name}\` | ${option.modes.join(', ')} | ${option.type} | ${defaults(option)} | ${option.doc} |`,
    ),
    '',
  ].join('\n');
}

function defaults({ default: one, defaultApart, defaultIn }: Option): string {
  const models = defaultIn?.models;
  if (models !== undefined) return `${one === undefined ? '' : `\`${one}\`; `}\`${models}\` of models`;
  if (defaultApart !== undefined) return `\`${one ?? ''}\`; \`${defaultApart}\` past one process`;
  return one ? `\`${one}\`` : '';
}
