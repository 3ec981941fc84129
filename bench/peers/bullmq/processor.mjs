/** What Dray's task `echo` does: the result is the input. In a module of its own, for the sandboxed worker. */
export default async function echo(job) {
  return job.data;
}
