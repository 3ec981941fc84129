// Counts the words of a text that was uploaded as a blob: a stream in, small JSON out, progress on the way.
import { defineTask, PermanentError } from 'dray/task';

/** How many of the most frequent words are told. */
const most = 10;

export default defineTask({
  type: 'word-count',
  description: 'Counts the words of a UTF-8 text in a blob.',
  input: {
    type: 'object',
    properties: { blob: { type: 'string', format: 'uuid' } },
    required: ['blob'],
    additionalProperties: false,
  },
  output: {
    type: 'object',
    properties: {
      words: { type: 'integer' },
      distinct: { type: 'integer' },
      top: {
        type: 'array',
        items: {
          type: 'object',
          properties: { word: { type: 'string' }, count: { type: 'integer' } },
          required: ['word', 'count'],
        },
      },
    },
    required: ['words', 'distinct', 'top'],
  },

  // Refused before it is queued: the client learns at once that its blob is not there.
  async admit(input, { blobs }) {
    if (await blobs.stat({ id: input.blob })) return input;
    throw new PermanentError(`there is no blob ${input.blob}; upload the text first`);
  },

  async run({ blob }, { blobs, progress, signal }) {
    const info = await blobs.stat({ id: blob });
    if (!info) throw new PermanentError(`blob ${blob} was removed`);
    const counts = new Map();
    let words = 0;
    let read = 0;
    const count = (text) => {
      for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
        words += 1;
      }
    };
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of blobs.read({ id: blob })) {
      signal.throwIfAborted(); // cancelled, or out of time
      // A chunk may end within a word: what follows the last space is kept for the next one.
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.search(/\s\S*$/) + 1;
      count(text.slice(0, end));
      rest = text.slice(end);
      read += chunk.length;
      progress(read / info.size, `${words} words`);
    }
    count(rest + decoder.decode());
    const top = [...counts]
      .map(([word, times]) => ({ word, count: times }))
      .sort((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1))
      .slice(0, most);
    return { words, distinct: counts.size, top };
  },
});
