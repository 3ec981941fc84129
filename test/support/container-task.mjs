// A task of the type `container` that starts none: for tests of the doors, which are about messages and replies. It
// takes and gives what the built-in one does, which is not there with --containers off. The image says what happens.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DrayError } from '../../dist/jobs/errors.js';
import { PermanentError } from '../../dist/tasks/task.js';

const text = { type: 'string' };
const gates = process.env.TEST_GATES ?? '';

export const container = {
  type: 'container',
  inline: true,
  input: {
    type: 'object',
    properties: {
      image: text,
      name: text,
      timeoutSeconds: { type: 'number', minimum: 1 },
      inputBucketUrl: text,
      outputBucketUrl: text,
    },
    required: ['image', 'name', 'timeoutSeconds', 'inputBucketUrl'],
    additionalProperties: false,
  },
  output: { type: 'object' },
  async admit(input) {
    for (const field of ['image', 'inputBucketUrl', 'outputBucketUrl']) {
      if (!input[field]?.includes('forbidden')) continue;
      throw new DrayError('invalid-request', `input.${field}: is not allowed here`, {
        field: `input.${field}`,
      });
    }
    if (input.image === 'test/broken') throw new Error('admission is broken');
    return { ...input, outputBucketUrl: input.outputBucketUrl ?? input.inputBucketUrl };
  },
  async run(input, { jobId, attempt, blobs, signal }) {
    const { image, name, timeoutSeconds, outputBucketUrl } = input;
    const log = async (content) => {
      const writer = await blobs.create({ mediaType: 'text/plain; charset=utf-8' });
      await writer.write(Buffer.from(content));
      return { blob: (await writer.commit()).id };
    };
    // Held until the test makes a file of the job's name.
    while (image === 'test/gate' && !existsSync(join(gates, name))) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const told = { name: `${name}-${jobId}`, exitCode: 0, durationMs: 1_234, outputBucketUrl };
    if (image === 'test/fails') {
      throw new PermanentError('the container ended with exit code 3', {
        code: 'container-failed',
        details: { ...told, reason: 'exited', exitCode: 3, log: await log('Traceback\n') },
      });
    }
    if (image === 'test/talks') return { ...told, log: await log(`${'ä'.repeat(20_000)}end`), files: [] };
    return {
      ...told,
      log: await log(`${name} ran for ${timeoutSeconds} s at most, attempt ${attempt}\n`),
      files: [{ key: 'result.txt', size: 7 }],
    };
  },
};
