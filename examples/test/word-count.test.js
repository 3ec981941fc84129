// Run it with `node --test examples/test/`: a task is tested without a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBlobs, runTask } from 'dray/testing';
import wordCount from '../tasks/word-count.js';

const uploaded = (text) => {
  const blobs = new MemoryBlobs();
  return { blobs, input: { blob: blobs.put(text, 'text/plain') } };
};

test('counts words, whatever their case and wherever a chunk ends', async () => {
  const { blobs, input } = uploaded('Größe größe, GRÖSSE! '.repeat(20_000));
  const { output, progress } = await runTask(wordCount, input, { blobs });
  assert.deepEqual(output, {
    words: 60_000,
    distinct: 2,
    top: [
      { word: 'größe', count: 40_000 },
      { word: 'grösse', count: 20_000 },
    ],
  });
  assert.equal(progress.at(-1).fraction, 1);
});

test('counts no words in an empty text', async () => {
  const { blobs, input } = uploaded('');
  const { output } = await runTask(wordCount, input, { blobs });
  assert.deepEqual(output, { words: 0, distinct: 0, top: [] });
});

test('refuses a blob that is not there, before the job is queued', async () => {
  const input = { blob: '01890000-0000-7000-8000-000000000001' };
  await assert.rejects(runTask(wordCount, input), { code: 'invalid-request', field: 'input' });
});

test('ends when it is aborted', async () => {
  const { blobs, input } = uploaded('word '.repeat(200_000));
  const abort = new AbortController();
  const onProgress = () => abort.abort();
  await assert.rejects(runTask(wordCount, input, { blobs, signal: abort.signal, onProgress }), {
    name: 'AbortError',
  });
});
