/** Programs that scripts/setup.mjs builds from their makers' sources, each at one version, into a folder of the checkout. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const tools = fileURLToPath(new URL('../../.tools', import.meta.url));

/** The last that MinIO's makers published, and what deploy/docker/Dockerfile builds. */
export const minioModule = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c';

/** Reads a compose file as Docker Compose does, and tells whether it keeps to the specification. */
export const composeModule = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2';
export const composeReader = join(tools, 'compose-spec');
