/** Prints `N passed, N failed, N skipped` as the last line of a run. */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0)
        count.failed += 1;
      for (const test of module.children.allTests()) count[stateOf(test)] += 1;
    }
    console.log(`\n${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped`);
  }
}

/** Of a suite that is skipped within one that is skipped, vitest leaves the tests as if they were to come. */
function stateOf(test: TestCase): 'passed' | 'failed' | 'skipped' | 'pending' {
  const { state } = test.result();
  const { parent } = test;
  return state === 'pending' && parent.type === 'suite' && parent.options.mode === 'skip' ? 'skipped' : state;
}
