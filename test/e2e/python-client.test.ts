/** clients/python/dray.py against a real server: a client that shares no code with it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, type TestServer } from '../support/server.js';

const python = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
const client = fileURLToPath(new URL('../../clients/python', import.meta.url));

/** `node scripts/setup.mjs --python` makes the environment. */
describe.skipIf(!existsSync(python))('the Python client', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  }, 60_000);
  afterAll(() => server.stop(), 60_000);

  /** Runs the script, whose failed assertions fail the test, and returns what it printed. */
  async function run(script: string, env: Record<string, string> = {}): Promise<string> {
    const { stdout } = await promisify(execFile)(
      python,
      ['-B', '-c', `import numpy as np, dray\n${script}`],
      {
        env: { ...process.env, PYTHONPATH: client, DRAY_SERVER: server.url, ...env },
      },
    );
    return stdout.trim();
  }

  it('multiplies arrays of every layout and element type', async () => {
    const printed = await run(`
rng = np.random.default_rng(1)
def same(a, b, **options):
    c = dray.matmul(a, b, **options)
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    assert c.shape == wanted.shape
    np.testing.assert_allclose(c, wanted, rtol=1e-5 if c.dtype == np.float32 else 1e-12)
    return c
a, b = rng.random((70, 50)), rng.random((50, 30))
assert same(a, b).dtype == np.float64
same(np.asfortranarray(a), b)
same(a, np.asfortranarray(b), verify=False)
same(a.T.copy().T, b[:, ::3])
same(a[::2, ::-1], b)
same(a[:, :1], b[:1, :])
same(a.astype(">f8"), b)
same(rng.integers(-9, 9, (8, 50)), b)
same(rng.integers(0, 200, (8, 50)).astype(np.uint8), b > 0.5)
assert same(a.astype(np.float32), b.astype(np.float32), dtype=np.float32).dtype == np.float32
print("ok")`);
    expect(printed).toBe('ok');
  });

  it('carries a large product without holding its bytes twice', async () => {
    const grown = await run(`
import resource
a = np.random.default_rng(2).random((3000, 3000))
dray.matmul(a[:2, :2], a[:2, :2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
c = dray.matmul(a, a)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / c.nbytes)
np.testing.assert_allclose(c[17], a[17] @ a, rtol=1e-12)`);
    // The product itself is one; a second copy of an operand or of the product would make it two.
    expect(Number(grown)).toBeLessThan(1.6);
  });

  it('refuses what cannot be sent before it sends anything', async () => {
    const printed = await run(
      `
for a, b, error in [
    (np.ones(3), np.ones((3, 1)), ValueError),
    (np.ones((2, 0)), np.ones((0, 2)), ValueError),
    (np.ones((2, 3)), np.ones((2, 3)), ValueError),
    (np.ones((2, 2), complex), np.ones((2, 2)), TypeError),
    (np.array([[None]]), np.ones((1, 1)), TypeError),
]:
    try:
        dray.matmul(a, b)
        raise AssertionError("not refused")
    except error as e:
        print(type(e).__name__)`,
      { DRAY_SERVER: 'http://127.0.0.1:9' },
    );
    expect(printed.split('\n')).toEqual(['ValueError', 'ValueError', 'ValueError', 'TypeError', 'TypeError']);
  });

  it('raises an error of its own for a refusal, a failure, a cancelled job, a long wait and a missing server', async () => {
    const printed = await run(`
client = dray.Client()
try: client.submit("none-such")
except dray.ProblemError as e: print(e.code, e.status)
failing = client.submit("sleep", {"seconds": 0, "failTimes": 1}, retry={"attempts": 1})
try: client.wait(failing["id"])
except dray.JobFailed as e: print("failed", e.job["attempt"])
client.redrive(failing["id"])
print(client.wait(failing["id"])["status"])
long = client.submit("sleep", {"seconds": 60})
try: client.wait(long["id"], timeout=0.3)
except dray.WaitTimeout as e: print(e.job_id == long["id"])
client.cancel(long["id"])
try: client.wait(long["id"])
except dray.JobFailed as e: print(e.code)
try: dray.Client("http://127.0.0.1:9").get("x")
except dray.ServerUnreachable as e: print(e)`);
    expect(printed.split('\n')).toEqual([
      'unknown-type 400',
      'failed 1',
      'completed',
      'True',
      'cancelled',
      'no dray server at http://127.0.0.1:9; start one with `dray serve`',
    ]);
  });

  it('submits with a priority, a time, a key, labels and under an Idempotency-Key, and in batches', async () => {
    const printed = await run(`
client = dray.Client()
def submit():
    return client.submit("echo", 1, priority="high", delay_ms=60000, concurrency_key="k", max_concurrency=2,
                         labels={"from": "python"}, idempotency_key="python-1")
job = submit()
print(job["status"], job["priority"], job["concurrencyKey"], job["labels"])
print(submit()["id"] == job["id"], [found["id"] for found in client.list(label="from=python")] == [job["id"]])
print(client.submit("echo", 1, run_at="2001-01-01T00:00:00Z")["status"])
batch = [{"type": "echo", "input": i} for i in range(3)]
jobs = client.submit_batch(batch, idempotency_key="python-2")
print(len(jobs), client.submit_batch(batch, idempotency_key="python-2")[2]["id"] == jobs[2]["id"])
print(client.wait(jobs[2]["id"])["result"])
try: client.submit_batch(batch[:1], idempotency_key="python-2")
except dray.ProblemError as e: print(e.status, e.code)`);
    expect(printed.split('\n')).toEqual([
      "scheduled high k {'from': 'python'}",
      'True True',
      'pending',
      '3 True',
      '2',
      '409 idempotency-conflict',
    ]);
  });

  it('gives results as JSON and lists jobs page by page', async () => {
    const printed = await run(`
client = dray.Client()
job = client.submit("echo", {"x": [1, None, "ü"]})
client.wait(job["id"])
print(client.result(job["id"]) == {"x": [1, None, "ü"]})
print(next(client.list(type="echo"))["id"] == job["id"], client.get(job["id"])["status"])`);
    expect(printed.split('\n')).toEqual(['True', 'True completed']);
  });
});
