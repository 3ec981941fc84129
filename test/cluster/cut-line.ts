/** A way to the API server that breaks as networks do: it is cut, closed for a while, or goes silent. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';

export interface CutLine {
  /** Of the connections that there have been. */
  readonly opened: number;
  /** Ends all connections, at once and with an error. */
  cut(): void;
  /** Lets no connection pass until it is opened again. */
  close(): void;
  open(): void;
  /** The connections that there are stay open, and nothing passes on them any more; new ones are good. */
  freeze(): void;
  /** Makes the kubeconfig the real one again, and ends everything. */
  end(): Promise<void>;
}

/** From now on, what reads KUBECONFIG goes this way. */
export async function cutLine(): Promise<CutLine> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('KUBECONFIG names no cluster');
  const server = new URL(cluster.server);
  const pairs = new Set<readonly [Socket, Socket]>();
  let closed = false;
  let opened = 0;

  const proxy = createServer((near) => {
    opened += 1;
    if (closed) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(Number(server.port || 443), server.hostname);
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on('error', () => other.destroy());
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');

  const folder = mkdtempSync(join(tmpdir(), 'dray-cut-line-'));
  const real = process.env['KUBECONFIG'];
  const copy = new KubeConfig();
  copy.loadFromString(config.exportConfig());
  copy.clusters = copy.clusters.map((one) => ({
    ...one,
    server: `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    tlsServerName: one.tlsServerName ?? server.hostname,
  }));
  writeFileSync(join(folder, 'config'), copy.exportConfig());
  process.env['KUBECONFIG'] = join(folder, 'config');

  const cut = (): void => {
    for (const [near] of pairs) near.resetAndDestroy();
  };
  return {
    get opened() {
      return opened;
    },
    cut,
    close: () => {
      closed = true;
      cut();
    },
    open: () => {
      closed = false;
    },
    freeze: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.pause();
        far.pause();
      }
    },
    end: async () => {
      process.env['KUBECONFIG'] = real;
      cut();
      proxy.close();
      await once(proxy, 'close');
      rmSync(folder, { recursive: true });
    },
  };
}
