import { describe, expect, test } from 'vitest';
import { jobManifest } from './manifest.js';

const jobId = '0198c2b4-0000-7000-8000-000000000000';
const spec = {
  jobId,
  name: 'Test job',
  image: 'mstc/python-test:latest',
  env: { INPUT_BUCKET_URL: 'http://minio:9000/in', PRICE: '$5 $(HOME)' },
  timeoutMs: 900_000,
  cpus: 1.5,
  memory: 1024 ** 3,
};
const options = { owner: '0123456789abcdef', secret: undefined, serviceAccount: undefined, root: false };

describe('the Job of a container', () => {
  test('is what clients of the MSTC cloud worker expect, and fits a restricted namespace', () => {
    const name = `test-job-${jobId}`;
    const labels = {
      'dray.dev/job': jobId,
      'dray.dev/owner': '0123456789abcdef',
      'app.kubernetes.io/managed-by': 'dray',
    };
    expect(jobManifest(spec, options)).toMatchObject({
      metadata: { name, labels, annotations: { 'dray.dev/name': 'Test job' } },
      spec: {
        backoffLimit: 0,
        activeDeadlineSeconds: 4_500,
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: 'Never',
            activeDeadlineSeconds: 900,
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                name,
                image: 'mstc/python-test:latest',
                imagePullPolicy: 'IfNotPresent',
                env: [
                  { name: 'INPUT_BUCKET_URL', value: 'http://minio:9000/in' },
                  { name: 'PRICE', value: '$$5 $$(HOME)' },
                ],
                resources: {
                  requests: { cpu: '1500m', memory: '1073741824' },
                  limits: { cpu: '1500m', memory: '1073741824' },
                },
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              },
            ],
          },
        },
      },
    });
  });

  test('has what the operator gives, and nothing of it otherwise', () => {
    expect(JSON.stringify(jobManifest(spec, options))).not.toMatch(/envFrom|serviceAccountName|undefined/);
    const given = { ...options, secret: 'buckets', serviceAccount: 'worker', root: true };
    const text = JSON.stringify(jobManifest(spec, given));
    expect(text).toContain('"envFrom":[{"secretRef":{"name":"buckets"}}]');
    expect(text).toContain('"serviceAccountName":"worker"');
    expect(text).not.toContain('runAsNonRoot');
  });
});
