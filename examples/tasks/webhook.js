// Delivers an event to a URL, again and again until the receiver takes it. It only waits, so it runs inline.
import { defineTask, PermanentError } from 'dray/task';
import Type from 'typebox';

export default defineTask({
  type: 'webhook',
  description: 'Posts an event as JSON to a URL.',
  inline: true,
  input: Type.Object(
    { url: Type.String({ pattern: '^https?://' }), event: Type.Unknown() },
    { additionalProperties: false },
  ),
  output: Type.Object({ status: Type.Integer(), attempts: Type.Integer() }),

  async run({ url, event }, { attempt, jobId, log, signal }) {
    // An error of the network is thrown by fetch itself: like any error it is transient, and retried with backoff.
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        // The same in each attempt, so that a receiver can drop what it has had before.
        'idempotency-key': jobId,
      },
      body: JSON.stringify(event),
      signal, // a cancel or the job's timeout ends the request too
    });
    await response.body?.cancel(); // what it says is of no interest, and its connection is free again
    if (response.ok) return { status: response.status, attempts: attempt };
    const message = `${url} answered ${response.status}`;
    log.warn(message, { attempt });
    // A receiver that is overloaded or broken may take it later; one that refuses will refuse it again.
    if (response.status >= 500 || response.status === 429) throw new Error(message);
    throw new PermanentError(message, { code: 'refused' });
  },
});
