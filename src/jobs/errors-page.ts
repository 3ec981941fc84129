/** The docs page of the error catalogue. */
import { errorCatalogue } from './errors.js';

export function errorsPage(): string {
  const entries = Object.entries(errorCatalogue).sort(([a], [b]) => a.localeCompare(b));
  return [
    '# Errors',
    '',
    'Generated from `src/jobs/errors.ts` by `npm run docs`; do not edit.',
    '',
    'Requests are answered with problem details (RFC 9457) whose `code` is one of these. A job that failed carries such a code in `error`; *permanent* errors are never retried. A task may add codes of its own.',
    '',
    '| code | HTTP status | permanent | title |',
    '|---|---|---|---|',
    ...entries.map(
      ([code, { status, permanent, title }]) =>
        `| [\`${code}\`](#${code}) | ${status} | ${permanent ? 'yes' : 'no'} | ${title} |`,
    ),
    '',
    ...entries.flatMap(([code, { title, help }]) => [`## ${code}`, '', `**${title}.** ${help}`, '']),
  ].join('\n');
}
