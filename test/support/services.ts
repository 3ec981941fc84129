/**
 * Redis, RabbitMQ and an S3 server for tests: those that are given, else ones that the run starts and all test files
 * share. Each call gives a part that nobody else has. A test that kills a server starts its own by scripts/services.
 *
 *     DRAY_TEST_REDIS=redis://:password@host:port             its databases from 4 on are emptied
 *     DRAY_TEST_RABBITMQ=amqp://user:password@host:port?api=http://host:15672      the management API makes vhosts
 *     DRAY_TEST_S3=http://key:secret@host:port
 *
 *     const queue = await rabbitVhost();
 *     describe.skipIf(queue === undefined)('…', () => …);
 *
 * undefined where this machine has no such server: the last line counts what is skipped, and in CI it throws.
 */
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    services: string;
  }
}

export interface TestBucket {
  /** What --blobs takes. */
  readonly url: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The credentials in the variables that S3's clients read. */
  readonly env: Readonly<Record<string, string>>;
}

/** A database; what --state takes. */
export const redisDatabase = (): Promise<{ readonly url: string } | undefined> => ask('redis');

/** A virtual host; what --queue takes. The first call of a run waits some five seconds for RabbitMQ. */
export const rabbitVhost = (): Promise<{ readonly url: string } | undefined> => ask('rabbitmq');

export const s3Bucket = (): Promise<TestBucket | undefined> => ask('s3');

async function ask<Part>(name: string): Promise<Part | undefined> {
  const response = await fetch(`${inject('services')}/${name}`);
  if (response.ok) return (await response.json()) as Part;
  const reason = await response.text();
  if (response.status === 404 && process.env['CI'] === undefined) {
    console.warn(`skipped: ${reason}`);
    return undefined;
  }
  throw new Error(reason);
}
