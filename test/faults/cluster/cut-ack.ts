/** Connections break between a claim and its ack: RabbitMQ delivers again what was claimed. */
import { clusterFault } from '../deployment/cluster-fault.js';
import { methods, Proxy } from '../deployment/proxy.js';

let proxy: Proxy;

clusterFault('cluster-cut-ack', 'a message that comes again after its job was claimed runs nothing', {
  queue: async (drill, url) => {
    proxy = await Proxy.start(Number(new URL(url).port));
    drill.after(() => proxy.close());
    return Object.assign(new URL(url), { port: String(proxy.port) }).href;
  },
  rounds: { full: 20, quick: 4 },
  happens: async ({ deployment, drill }) => {
    await deployment.pause(0, 500);
    const cut = await proxy.cutAt('dray consuming', methods.ack, { passes: false, withinMs: 5_000 });
    drill.say(cut ? 'cut before an ack' : 'nothing was acked');
  },
  then: async ({ deployment, drill }) =>
    drill.say(`${await deployment.figure('dray_cluster_stale_total')} stale deliveries were dropped`),
});
