/** What the chart has copies of, by where the copy is. */
export const copies = {
  'deploy/helm/dray/files/redis.conf': 'deploy/services/redis.conf',
  'deploy/helm/dray/files/rabbitmq.conf': 'deploy/services/rabbitmq.conf',
  'deploy/helm/dray/files/locustfile.py': 'loadtest/locustfile.py',
};
