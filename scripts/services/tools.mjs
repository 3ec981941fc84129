/** Programs that scripts/setup.mjs builds from their makers' sources, each at one version, into a folder of the checkout. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const tools = fileURLToPath(new URL('../../.tools', import.meta.url));

/** The last that MinIO's makers published, and what deploy/docker/Dockerfile builds. */
export const minioModule = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c';

/** Reads a compose file as Docker Compose does, and tells whether it keeps to the specification. */
export const composeModule = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2';
export const composeReader = join(tools, 'compose-spec');

/** Tells whether manifests fit the schemas of their kinds. */
export const manifestModule = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0';
export const manifestReader = join(tools, 'kubeconform');

/** Kinds of others that the chart makes objects of, as their makers define them, by file in the module. */
export const definitions = join(tools, 'definitions');
export const definitionModules = {
  'github.com/kedacore/keda/v2@v2.21.0': [
    'config/crd/bases/keda.sh_scaledobjects.yaml',
    'config/crd/bases/keda.sh_triggerauthentications.yaml',
  ],
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': [
    'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml',
  ],
};

/** Gives Kubernetes what Prometheus knows. Its commands can be built as a dependency alone, for what it replaces. */
export const adapterModule = ['sigs.k8s.io/prometheus-adapter', 'v0.12.0'];
