// Sums up the columns of a CSV text. Bad data is a permanent error: a retry would find the same.
import { defineTask, PermanentError } from 'dray/task';
import Type from 'typebox';

const Column = Type.Object({
  name: Type.String(),
  values: Type.Integer({ description: 'Cells that are not empty.' }),
  min: Type.Optional(Type.Number({ description: 'This and the following: of a column of numbers.' })),
  max: Type.Optional(Type.Number()),
  mean: Type.Optional(Type.Number()),
});

export default defineTask({
  type: 'csv-summary',
  description: 'Sums up the columns of a CSV text whose first row names them.',
  input: Type.Object(
    {
      csv: Type.String({ minLength: 1 }),
      separator: Type.Optional(Type.String({ pattern: '^[,;\\t|]$' })),
    },
    { additionalProperties: false },
  ),
  output: Type.Object({ rows: Type.Integer(), columns: Type.Array(Column) }),

  // Long texts weigh more where the number of executors is reckoned: a unit is a KiB.
  work: ({ csv }) => csv.length / 1024,

  run({ csv, separator = ',' }, { log }) {
    const [names, ...rows] = parse(csv, separator);
    rows.forEach((row, i) => {
      if (row.length === names.length) return;
      const message = `row ${i + 2} has ${row.length} cells, the first row has ${names.length}`;
      throw new PermanentError(message, { code: 'ragged-csv' });
    });
    if (rows.length === 0) log.warn('the text has no rows but the names of its columns');
    const columns = names.map((name, i) =>
      summary(
        name,
        rows.map((row) => row[i]),
      ),
    );
    return { rows: rows.length, columns };
  },
});

function summary(name, cells) {
  const given = cells.filter((cell) => cell !== '');
  const numbers = given.map(Number);
  if (numbers.length === 0 || !numbers.every(Number.isFinite)) return { name, values: given.length };
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (const number of numbers) {
    min = Math.min(min, number);
    max = Math.max(max, number);
    sum += number;
  }
  return { name, values: given.length, min, max, mean: sum / numbers.length };
}

/** Rows of cells. A cell in quotes may hold separators, line breaks, and quotes that are doubled. */
function parse(text, separator) {
  const rows = [[]];
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${separator}\\r\\n]*))([${separator}]|\\r?\\n|$)`, 'y');
  while (cell.lastIndex < text.length) {
    const start = cell.lastIndex;
    const found = cell.exec(text);
    if (!found)
      throw new PermanentError(`a quote is out of place after character ${start}`, { code: 'bad-csv' });
    const [, quoted, plain, end] = found;
    rows.at(-1).push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    if (end === separator && cell.lastIndex === text.length) rows.at(-1).push('');
    if (end !== separator && cell.lastIndex < text.length) rows.push([]);
  }
  return rows;
}
