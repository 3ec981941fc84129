/** A registry of one image, that is as slow and as unwilling as it is told. */
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Registry {
  /** Such as 127.0.0.1:40123. */
  readonly host: string;
  /** A registries.conf by which podman may ask it without TLS. */
  readonly conf: string;
  /** Answers from now on only once it is called. */
  hold(): () => void;
  /** How often a manifest was asked for. */
  readonly asked: () => number;
  close(): Promise<void>;
}

/** Has `image` under the name `there:1`; no other. `broken:1` is answered with 500. */
export async function serveImage(image: string): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'dray-registry-'));
  const saved = join(folder, 'image');
  execFileSync('podman', ['save', '--quiet', '--format=oci-dir', '--output', saved, image], {
    stdio: 'pipe',
    timeout: 60_000,
  });
  const index = JSON.parse(readFileSync(join(saved, 'index.json'), 'utf8')) as {
    manifests: { mediaType: string; digest: string }[];
  };
  const { mediaType, digest } = index.manifests[0]!;
  const blob = (name: string): string => join(saved, 'blobs', name.replace(':', '/'));
  let held = Promise.resolve();
  let asked = 0;
  const server = createServer((request, response) => {
    const [, name, kind, reference = ''] = /^\/v2\/(\w+)\/(\w+)\/(.+)$/.exec(request.url!) ?? [];
    if (kind === 'manifests') asked += 1;
    void held.then(() => {
      const wanted = kind === 'manifests' && reference === '1' ? digest : reference;
      const known = name === 'there' && /^sha256:[0-9a-f]+$/.test(wanted) && existsSync(blob(wanted));
      if (name === undefined) response.end();
      else if (name === 'broken') response.writeHead(500).end();
      else if (!known)
        response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
      else {
        const type = kind === 'manifests' ? mediaType : 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'docker-content-digest': wanted });
        if (request.method === 'HEAD') response.end();
        else createReadStream(blob(wanted)).pipe(response);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const conf = join(folder, 'registries.conf');
  writeFileSync(conf, `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
  return {
    host,
    conf,
    hold: () => {
      let release = (): void => undefined;
      held = new Promise((resolve) => (release = resolve));
      return () => release();
    },
    asked: () => asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}
