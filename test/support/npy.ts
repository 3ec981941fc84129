/** `.npy` files made by hand, right and wrong ones. */
export function npy(
  rows: number,
  cols: number,
  values: ArrayBufferView | undefined,
  options: { descr?: string; header?: string; fortran?: boolean } = {},
): Buffer {
  const { descr = '<f8', fortran = false } = options;
  const dictionary =
    options.header ??
    `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${rows}, ${cols}), }`;
  const padding = ' '.repeat(63 - ((10 + dictionary.length) % 64));
  const header = Buffer.from(dictionary + padding + '\n', 'latin1');
  const preamble = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 0, 0]);
  preamble.writeUInt16LE(header.length, 8);
  const data = values ? Buffer.from(values.buffer, values.byteOffset, values.byteLength) : Buffer.alloc(0);
  return Buffer.concat([preamble, header, data]);
}

/** The elements of a C-order float64 `.npy`. */
export function readNpy(bytes: Buffer): { rows: number; cols: number; values: Float64Array } {
  const length = bytes.readUInt16LE(8);
  const header = bytes.subarray(10, 10 + length).toString('latin1');
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
  if (!header.includes("'<f8'") || !shape) throw new Error(`unexpected header: ${header}`);
  const data = bytes.subarray(10 + length);
  const values = new Float64Array(data.length / 8);
  for (let i = 0; i < values.length; i++) values[i] = data.readDoubleLE(i * 8);
  return { rows: Number(shape[1]), cols: Number(shape[2]), values };
}
