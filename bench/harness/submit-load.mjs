/** 64 connections that submit the same small job as fast as they are answered. */
import { wrk } from './wrk.mjs';

const connections = 64;

/**
 * @param {{ url: string, script?: string, warmUp: number, seconds: number, stored(): Promise<number> }} options of
 *   an empty store that nobody works on; `stored` gives how many jobs there are
 * @throws Error unless there are as many jobs as requests were answered: an answer without a job is no figure.
 */
export async function submitLoad({ url, script = 'submit.lua', warmUp, seconds, stored }) {
  const of = (duration) => wrk({ url, script, connections, seconds: duration });
  const warm = await of(warmUp);
  const run = await of(seconds);
  const answered = warm.requests + run.requests;
  const jobs = await stored();
  // wrk ends without the last answers of its connections, whose jobs may be there.
  if (jobs < answered || jobs > answered + 2 * connections) {
    throw new Error(`${answered} requests were answered, and there are ${jobs} jobs`);
  }
  return run;
}
