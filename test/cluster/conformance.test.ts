import { describe } from 'vitest';
import { containerRuntimeConformance } from '../conformance/container-runtime.js';
import { absentImage, image, noCluster, testNamespace } from './cluster.js';

describe.skipIf(noCluster)('a real cluster', () => {
  containerRuntimeConformance('Kubernetes', async () => {
    const space = await testNamespace();
    const { api } = space;
    return {
      open: (owner) => space.open(owner),
      image,
      absentImage,
      destroy: (name) => api.delete(api.jobs(name), { propagationPolicy: 'Background' }),
      cleanup: () => space.cleanup(),
    };
  });
});
