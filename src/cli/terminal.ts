/** Where the command writes, and what that place can show. */
import { coloursUnwanted } from '../config/client.js';

export interface Stream {
  write(text: string): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export const colours = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof colours;

/** What was asked for goes to `out`; progress, remarks and errors go to `err`, so that pipes get data only. */
export interface Terminal {
  readonly out: Stream;
  readonly err: Stream;
  /** Colours the text where `out` can show it. */
  readonly paint: (colour: Colour, text: string) => string;
  /** How wide lines on `out` may be: Infinity where it is no terminal. */
  readonly width: number;
}

export function terminal(out: Stream = process.stdout, err: Stream = process.stderr): Terminal {
  const coloured = out.isTTY === true && !coloursUnwanted();
  return {
    out,
    err,
    width: out.isTTY === true ? (out.columns ?? 80) : Infinity,
    paint: (colour, text) => (coloured ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text),
  };
}

export function print(to: Stream, text: string): void {
  to.write(`${text}\n`);
}

export function printJson(to: Stream, value: unknown): void {
  to.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
