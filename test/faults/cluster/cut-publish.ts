/** Connections break between a publish and its confirm: whether RabbitMQ has the message is not known. */
import { clusterFault } from '../deployment/cluster-fault.js';
import { methods, Proxy } from '../deployment/proxy.js';

let proxy: Proxy;

clusterFault(
  'cluster-cut-publish',
  'a message whose confirm never came is sent again, and runs its job once',
  {
    queue: async (drill, url) => {
      proxy = await Proxy.start(Number(new URL(url).port));
      drill.after(() => proxy.close());
      return Object.assign(new URL(url), { port: String(proxy.port) }).href;
    },
    rounds: { full: 20, quick: 4 },
    happens: async ({ deployment, drill }) => {
      await deployment.pause(0, 500);
      const passes = drill.random.chance(0.5);
      const cut = await proxy.cutAt('dray publishing', methods.publish, { passes, withinMs: 5_000 });
      drill.say(cut ? `cut ${passes ? 'after' : 'before'} a publish` : 'nothing was published');
    },
  },
);
