/** A deployment for MSTC's clients on the cluster: its processes here, its containers and their buckets there. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBucketImage } from '../support/bucket-image.js';
import { createDeployment, type TestDeployment } from '../support/deployment.js';
import { eventually } from '../support/eventually.js';
import { MessageClient, type Reply } from '../support/mstc.js';
import { absentImage, image, testNamespace, type TestNamespace } from './cluster.js';
import { drayAccount } from './dray-account.js';
import { JobHistory } from './job-history.js';
import { loadImage } from './load-image.js';
import { startMinio, type ClusterS3 } from './minio.js';

/** Of examples/bucket-image. */
export const bucketImage = process.env['DRAY_TEST_BUCKET_IMAGE'] ?? 'dray.test/bucket-image:1';
const bucket = 'scripts';
const results = 'mstc.results';

export interface MstcReply extends Reply {
  readonly outputBucketUrl: string;
  readonly files: readonly { readonly key: string; readonly size: number }[];
}

/** A script that runs as a container of its own. */
export interface Scripted {
  readonly name: string;
  readonly inputBucketUrl: string;
  /** Ends a script that has `untilOpen`. */
  open(): Promise<void>;
}

/** Of a script: waits to be opened. What is told to stop ends at once. */
export const untilOpen =
  'trap "exit 0" TERM; until wget -q -O /dev/null "$INPUT_BUCKET_URL/open" 2>/dev/null; do sleep 0.5; done';

/** Of the image of the tests: fetches what the job has in its bucket, and runs it. */
export const fetchesScript = 'wget -q -O /tmp/script "$INPUT_BUCKET_URL/script" && . /tmp/script';

/** Puts a script into the bucket `scripts`, under the name of its job. */
export async function putScript(s3: ClusterS3, name: string, text: string): Promise<Scripted> {
  await s3.put(bucket, `${name}/script`, `${text}\n`);
  return {
    name,
    inputBucketUrl: `${s3.endpoint}/${bucket}/${name}`,
    open: () => s3.put(bucket, `${name}/open`, 'yes'),
  };
}

export class MstcCluster {
  readonly space: TestNamespace;
  readonly s3: ClusterS3;
  readonly jobs: JobHistory;
  /** What runs containers there takes these variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly deployment: TestDeployment;
  readonly #folder: string;

  static async open(servers: { queue: string; state: string }): Promise<MstcCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'dray-mstc-'));
    const space = await testNamespace();
    if (process.env['DRAY_TEST_BUCKET_IMAGE'] === undefined) {
      await loadImage((at) => makeBucketImage(at, bucketImage));
    }
    const s3 = await startMinio(space);
    const { accessKey, secretKey } = s3;
    await s3.makeBucket(bucket);
    // What the image of the tests runs is the variable SCRIPT: here it fetches the job's own.
    await space.api.create(`/api/v1/namespaces/${space.name}/secrets`, {
      metadata: { name: 'containers' },
      stringData: {
        AWS_ACCESS_KEY_ID: accessKey,
        AWS_SECRET_ACCESS_KEY: secretKey,
        SCRIPT: fetchesScript,
      },
    });
    const { host } = new URL(s3.endpoint);
    const credentials = join(folder, 'credentials.json');
    await writeFile(credentials, JSON.stringify({ [host]: { accessKey, secretKey } }));
    const env = {
      KUBECONFIG: await drayAccount(space, folder),
      DRAY_CONTAINERS: 'kubernetes',
      DRAY_CONTAINER_NAMESPACE: space.name,
      DRAY_CONTAINER_SECRET: 'containers',
      DRAY_CONTAINER_IMAGES: [image, bucketImage, absentImage].join(','),
      DRAY_CONTAINER_CPUS: '0.1',
      DRAY_CONTAINER_MEMORY: '128m',
      DRAY_BUCKET_HOSTS: host,
      DRAY_BUCKET_CREDENTIALS: credentials,
    };
    const deployment = await createDeployment(servers, env);
    return new MstcCluster({ space, s3, env, deployment, folder, jobs: await JobHistory.begin(space.api) });
  }

  private constructor(parts: {
    space: TestNamespace;
    s3: ClusterS3;
    jobs: JobHistory;
    env: Readonly<Record<string, string>>;
    deployment: TestDeployment;
    folder: string;
  }) {
    this.space = parts.space;
    this.s3 = parts.s3;
    this.jobs = parts.jobs;
    this.env = parts.env;
    this.deployment = parts.deployment;
    this.#folder = parts.folder;
  }

  /** A script to run, under the name of its job. */
  script(name: string, text: string): Promise<Scripted> {
    return putScript(this.s3, name, text);
  }

  async close(): Promise<void> {
    await this.deployment.stop();
    this.s3.close();
    await this.space.cleanup();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Messages, and the replies to them. */
export class Correspondence {
  readonly #client: MessageClient;
  /** The names of the jobs that were asked for. */
  readonly asked: string[] = [];

  /** @param url of a RabbitMQ whose messages are taken already. */
  static async open(url: string): Promise<Correspondence> {
    const client = await MessageClient.open(url);
    await client.listen(results);
    return new Correspondence(client);
  }

  private constructor(client: MessageClient) {
    this.#client = client;
  }

  /** Asks for a container that runs the script. @returns the reply. */
  send({ name, inputBucketUrl }: Scripted, rest: object = {}): Promise<MstcReply> {
    const { replyTo } = this.#client;
    this.asked.push(name);
    const properties = { replyTo, correlationId: name, messageId: name };
    this.#client.send({ image, jobName: name, inputBucketUrl, ...rest }, properties);
    return eventually(
      () => this.#came(name, replyTo)[0],
      (reply) => reply !== undefined,
    ) as Promise<MstcReply>;
  }

  /** How many replies have come to whoever asked, and to the queue of all. */
  repliesTo(name: string): { readonly own: number; readonly all: number } {
    const own = this.#came(name, this.#client.replyTo).length;
    return { own, all: this.#came(name, results).length };
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #came(name: string, queue: string): readonly MstcReply[] {
    return this.#client.replies
      .filter(({ fields, properties }) => fields.routingKey === queue && properties.correlationId === name)
      .map(({ content }) => JSON.parse(content.toString()) as MstcReply);
  }
}
