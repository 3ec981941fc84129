/** The input and output of `matmul`. */
import { Type, type Static } from 'typebox';

export const Dtype = Type.Union([Type.Literal('float64'), Type.Literal('float32')]);
export type Dtype = Static<typeof Dtype>;

/** Element types that a stored matrix may have; integers are read as float64. */
export const storedDtypes = [
  'float64',
  'float32',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
] as const;
export type StoredDtype = (typeof storedDtypes)[number];
/** The type is said, for a union made by `map` has none. */
export const StoredDtype = Type.Unsafe<StoredDtype>(
  Type.Union(storedDtypes.map((name) => Type.Literal(name))),
);

const dimension = Type.Integer({ minimum: 1, maximum: 4_000_000_000 });

/** Rows of numbers, in the job's record: for small matrices. */
export const InlineRows = Type.Array(Type.Array(Type.Number()));

/** A `.npy` file that was uploaded; its header says the rest. */
export const NpyBlob = Type.Object(
  { blob: Type.String({ format: 'uuid' }) },
  { additionalProperties: false },
);

/** Little-endian elements, `rows` × `cols`, from byte `offset` on. */
const layout = {
  offset: Type.Integer({ minimum: 0 }),
  rows: dimension,
  cols: dimension,
  dtype: StoredDtype,
  order: Type.Union([Type.Literal('C'), Type.Literal('F')]),
};
export type Layout = Static<Type.TObject<typeof layout>>;

/** Elements inside of a blob. */
export const RawBlob = Type.Object(
  { blob: Type.String({ format: 'uuid' }), ...layout },
  { additionalProperties: false },
);
export type RawBlob = Static<typeof RawBlob>;

/** Uniform numbers in [0, 1), a pure function of seed and position. */
export const RandomMatrix = Type.Object(
  {
    random: Type.Object(
      { rows: dimension, cols: dimension, seed: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }) },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

/** An S3 key has at most 1,024 bytes. */
const url = Type.String({ maxLength: 1_200 });

/** A `.npy` file in a bucket, such as `s3://bucket/key.npy`. */
export const NpyUrl = Type.Object({ url }, { additionalProperties: false });

/** Elements inside of an object in a bucket, as long as it is still the same. */
export const RawUrl = Type.Object(
  { url, version: Type.String({ maxLength: 256 }), ...layout },
  { additionalProperties: false },
);

export const Matrix = Type.Union([InlineRows, RawBlob, NpyBlob, RandomMatrix, RawUrl, NpyUrl]);
export type Matrix = Static<typeof Matrix>;

export const MatmulInput = Type.Object(
  {
    a: Matrix,
    b: Matrix,
    dtype: Type.Optional(Dtype),
    verify: Type.Optional(Type.Boolean({ description: 'Freivalds check of the product; on by default.' })),
  },
  { additionalProperties: false },
);
export type MatmulInput = Static<typeof MatmulInput>;

export const Check = Type.Union([
  Type.Object({
    status: Type.Literal('passed'),
    residual: Type.Number({ description: 'max over rows of |C·x − A·(B·x)|, scaled like the bound.' }),
    bound: Type.Number({ description: 'The rounding error that the data allows in that row.' }),
    ratio: Type.Number({ description: 'max over rows of residual / bound; passed means at most 1.' }),
  }),
  Type.Object({ status: Type.Literal('not checked'), reason: Type.String() }),
]);
export type Check = Static<typeof Check>;

/** It has either `product` or `blob`. */
export const MatmulProduct = Type.Object({
  product: Type.Optional(
    Type.Unsafe<number[][]>({
      ...InlineRows,
      description: 'The product itself, where it has at most 1,024 elements and JSON can carry them.',
    }),
  ),
  blob: Type.Optional(Type.String({ format: 'uuid', description: 'Any other product, as .npy.' })),
  rows: Type.Integer(),
  cols: Type.Integer(),
  dtype: Dtype,
  /** Wall seconds: `multiply` inside of the kernel's calls, `total` the whole attempt. */
  seconds: Type.Object({ multiply: Type.Number(), check: Type.Number(), total: Type.Number() }),
  gflops: Type.Number({ description: '2·m·k·n / multiply seconds / 1e9.' }),
  kernel: Type.String(),
  check: Check,
  finite: Type.Boolean({ description: 'False where the product holds NaN or infinities.' }),
});
export type MatmulProduct = Static<typeof MatmulProduct>;

/** Of an attempt that held its slot but multiplied nothing: there is no product, only its shape. */
export const SimulatedProduct = Type.Object({
  simulated: Type.Literal(true),
  rows: Type.Integer(),
  cols: Type.Integer(),
  /** Wall seconds: `total` is how long the slot was held. */
  seconds: Type.Object({ total: Type.Number() }),
});
export type SimulatedProduct = Static<typeof SimulatedProduct>;

export const MatmulOutput = Type.Union([MatmulProduct, SimulatedProduct]);
export type MatmulOutput = Static<typeof MatmulOutput>;
