import { describe, expect, it } from 'vitest';
import { isSimulated, matmulSummary } from './waiting.js';

const product = {
  blob: '01890000-0000-7000-8000-000000000001',
  rows: 2,
  cols: 3,
  dtype: 'float64',
  seconds: { multiply: 0.25, check: 0.01, total: 0.3 },
  gflops: 12.34,
  kernel: 'typescript',
  check: { status: 'not checked', reason: 'the job asked for no check' },
  finite: true,
};

describe('the summary of a product', () => {
  it('tells its shape, its speed and its check', () => {
    expect(matmulSummary(product)).toBe(
      '2 × 3 float64, multiplied in 250 ms, 12.3 GFLOP/s (typescript), not checked: the job asked for no check',
    );
    expect(isSimulated(product)).toBe(false);
  });

  it('says of a simulated one that nothing was multiplied', () => {
    const simulated = { simulated: true, rows: 64, cols: 32, seconds: { total: 1.5 } };
    expect(isSimulated(simulated)).toBe(true);
    expect(matmulSummary(simulated)).toBe(
      '64 × 32, simulated: a slot was held for 1.50 s, nothing was multiplied',
    );
  });

  it.each([undefined, null, 7, 'simulated', [], { simulated: true }, { simulated: true, seconds: null }])(
    'is for no other result (%j)',
    (result) => {
      expect(matmulSummary(result)).toBeUndefined();
    },
  );
});
