/** MinIO in a namespace of the cluster, at an address that its containers and this machine share. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CreateBucketCommand, PutBucketPolicyCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { healthy, s3Program } from '../../scripts/services/s3.mjs';
import { eventually } from '../support/eventually.js';
import { writeArchive } from '../support/image-archive.js';
import { nodeAddress, type TestNamespace } from './cluster.js';
import { loadImage } from './load-image.js';

const { DRAY_TEST_MINIO_IMAGE } = process.env;
const image = DRAY_TEST_MINIO_IMAGE ?? 'dray.test/minio:1';
const port = 9000;
const labels = { app: 'minio' };

export interface ClusterS3 {
  /** Scheme, host and port. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Makes a bucket that everybody may read from. */
  makeBucket(name: string): Promise<void>;
  put(bucket: string, key: string, content: string): Promise<void>;
  close(): void;
}

export async function startMinio({ name, api }: TestNamespace): Promise<ClusterS3> {
  if (DRAY_TEST_MINIO_IMAGE === undefined) await loadImage(makeArchive);
  const accessKey = 'dray';
  const secretKey = 'dray-secret';
  await api.create(api.pods(), podManifest({ MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey }));
  const services = `/api/v1/namespaces/${name}/services`;
  await api.create(services, {
    metadata: { name: 'minio' },
    spec: { type: 'NodePort', selector: labels, ports: [{ port }] },
  });
  const service = await api.get<{ spec: { ports: { nodePort: number }[] } }>(`${services}/minio`);
  const endpoint = `http://${await nodeAddress(api)}:${service.spec.ports[0]!.nodePort}`;
  await eventually(() => healthy(endpoint), Boolean);

  return bucketsAt({ endpoint, accessKey, secretKey });
}

/** @param place.endpoint scheme, host and port. */
export function bucketsAt(place: Pick<ClusterS3, 'endpoint' | 'accessKey' | 'secretKey'>): ClusterS3 {
  const { endpoint, accessKey, secretKey } = place;
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const client = new S3Client({ endpoint, forcePathStyle: true, region: 'us-east-1', credentials });
  return {
    ...place,
    makeBucket: async (Bucket) => {
      const resource = { Effect: 'Allow', Principal: '*', Resource: `arn:aws:s3:::${Bucket}/*` };
      const statement = [{ ...resource, Action: 's3:GetObject' }];
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement: statement });
      await client.send(new CreateBucketCommand({ Bucket }));
      await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    },
    put: async (Bucket, Key, Body) => {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    close: () => client.destroy(),
  };
}

function podManifest(env: Readonly<Record<string, string>>): object {
  const all = { HOME: '/tmp', MINIO_BROWSER: 'off', MINIO_UPDATE: 'off', ...env };
  return {
    metadata: { name: 'minio', labels },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'minio',
          image,
          imagePullPolicy: 'IfNotPresent',
          args: ['server', '--quiet', '--address', `:${port}`, '/tmp/data'],
          env: Object.entries(all).map(([name, value]) => ({ name, value })),
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  };
}

/** The program that the other tests start, with the libraries that it loads. */
async function makeArchive(folder: string): Promise<string> {
  const root = join(folder, 'root');
  const program: string = s3Program();
  const linked = execFileSync('sh', ['-c', 'ldd "$1" || true', 'sh', program], { encoding: 'utf8' });
  for (const name of ['etc', 'proc', 'sys', 'dev']) mkdirSync(join(root, name), { recursive: true });
  const copy = (from: string, to: string): void => {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    cpSync(from, join(root, to), { dereference: true });
  };
  copy(program, '/bin/minio');
  for (const [, library] of linked.matchAll(/(\/\S+) \(0x/g)) copy(library!, library!);
  return writeArchive(folder, root, [
    { name: image, user: '1000:1000', env: { PATH: '/bin' }, entrypoint: ['/bin/minio'] },
  ]);
}
