/** What the signal of a stopped attempt aborts with: an AbortError, as those of the platform's own signals are. */
export function stopped(why: string): Error {
  const error = new Error(`the attempt was stopped: ${why}`);
  error.name = 'AbortError';
  return error;
}
