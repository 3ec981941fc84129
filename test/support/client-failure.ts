import { expect } from 'vitest';
import { ClientError } from '../../src/client/index.js';

/** The error with which a call of the client is expected to end. */
export async function clientFailure(call: Promise<unknown>): Promise<ClientError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClientError);
  return error as ClientError;
}
