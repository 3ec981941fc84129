/** The longest part that the client's name has in the container's: with `-` and a UUID, the 63 characters of a label. */
const mostOfName = 26;

/**
 * Such as `test-job-0198c2b4-…`: a valid label of DNS, whatever the client's name is. The same for each attempt of a
 * job, so that a second container of one job is a conflict of names.
 */
export function containerName(name: string, jobId: string): string {
  const plain = name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const readable = plain
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, mostOfName)
    .replace(/-$/, '');
  return `${readable || 'job'}-${jobId}`;
}
