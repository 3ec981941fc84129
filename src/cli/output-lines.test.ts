import { expect, it } from 'vitest';
import { OutputLines } from './output-lines.js';

function lines(isTTY: boolean) {
  const written: string[] = [];
  const above: string[] = [];
  const out = { isTTY, write: (text: string) => written.push(text) > 0 };
  const output = new OutputLines(out, (write) => {
    above.push('bar away');
    write();
  });
  return { written, above, output };
}

it('what a job prints is shown line by line, whatever its pieces are', () => {
  const { written, above, output } = lines(false);
  for (const piece of ['a', 'b\nc', '\n\nd']) output.write(piece);
  expect(written).toEqual(['ab\n', 'c\n\n']);
  expect(above).toHaveLength(2);
  output.end();
  output.end();
  expect(written.at(-1)).toBe('d\n');
  expect(written).toHaveLength(3);
});

it('what a job prints cannot move the cursor of a terminal, and is left alone elsewhere', () => {
  const text = '\u001b[2J\u001b[31mred\u001b[0m\u0007\tx\r\n10%\r20%\r100%\n';
  const terminal = lines(true);
  terminal.output.write(text);
  expect(terminal.written).toEqual(['red\tx\n100%\n']);
  const pipe = lines(false);
  pipe.output.write(text);
  expect(pipe.written).toEqual([text]);
});

it('a line of a job without an end is broken, not held for ever', () => {
  const { written, output } = lines(false);
  output.write('x'.repeat(20_000));
  expect(written).toHaveLength(1);
});
