/** Matrices to send: reproducible from their seed, written as streams so that no size needs memory. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** Uniform doubles in [0, 1) with all 53 bits, from the mulberry32 generator. */
export function uniform(seed) {
  let state = seed >>> 0 || 1;
  const next32 = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return () => ((next32() >>> 5) * 67_108_864 + (next32() >>> 6)) / 9_007_199_254_740_992;
}

/** Rows as JSON text, doubles in their shortest exact form: 17 to 18 characters each. */
export function* doublesAsJson({ rows, cols, seed }) {
  const random = uniform(seed);
  for (let r = 0; r < rows; r++) {
    const row = Array.from({ length: cols }, random);
    yield Buffer.from(`${r === 0 ? '[' : ','}[${row.join(',')}]`);
  }
  yield Buffer.from(']');
}

/** Rows of digits 0 to 9 as JSON text, two bytes a number: each row a random cut from one long row. */
export function* digitsAsJson({ rows, cols, seed }) {
  const random = uniform(seed);
  const choices = 1 << 20;
  const stock = Buffer.alloc(2 * (choices + cols), ',');
  for (let at = 0; at < stock.length; at += 2) stock[at] = 0x30 + ((random() * 10) | 0);
  const row = Buffer.alloc(2 * cols + 2);
  for (let r = 0; r < rows; r++) {
    const from = 2 * Math.floor(random() * choices);
    stock.copy(row, 2, from, from + 2 * cols - 1);
    row[0] = r === 0 ? 0x5b : 0x2c;
    row[1] = 0x5b;
    row[2 * cols + 1] = 0x5d;
    yield Buffer.from(row);
  }
  yield Buffer.from(']');
}

/** A float64 matrix in C order as the bytes of a .npy file. */
export function* npy({ rows, cols, seed }) {
  yield npyHeader(rows, cols);
  const random = uniform(seed);
  const count = rows * cols;
  const block = 1 << 17;
  for (let at = 0; at < count; at += block) {
    const part = new Float64Array(Math.min(block, count - at));
    for (let i = 0; i < part.length; i++) part[i] = random();
    yield Buffer.from(part.buffer);
  }
}

function npyHeader(rows, cols) {
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  // Data begins at a multiple of 64 bytes: ten of magic and length, the text, spaces, a newline.
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const header = Buffer.alloc(10 + padded.length);
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(padded.length, 8);
  header.write(padded, 10, 'latin1');
  return header;
}

export async function writeFileOf(path, chunks) {
  await pipeline(chunks, createWriteStream(path, { highWaterMark: 1024 * 1024 }));
}
