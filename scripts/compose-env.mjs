/**
 * node scripts/compose-env.mjs [file]
 *
 * Makes the passwords of deploy/compose, once: a file that is there is never changed.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = process.argv[2] ?? fileURLToPath(new URL('../deploy/compose/.env', import.meta.url));
/** Hexadecimal, so that it needs no quoting in a URL. */
const secret = () => randomBytes(24).toString('hex');

try {
  writeFileSync(
    file,
    `# Made by scripts/compose-env.mjs. The servers take a password when their volume is empty: change it there too.
RABBITMQ_PASSWORD=${secret()}
REDIS_PASSWORD=${secret()}
S3_PASSWORD=${secret()}
# For clients of the API: Authorization: Bearer …, or this variable where the dray command runs.
DRAY_API_KEY=dray_${randomBytes(6).toString('hex')}_${randomBytes(32).toString('base64url')}
# Where the API is reached: this machine alone. Past it, put a proxy with TLS before it (docs/deployment.md).
DRAY_PUBLISH=127.0.0.1:8080
`,
    { flag: 'wx', mode: 0o600 },
  );
  console.log(`${file} has the passwords now; nobody else may read it.`);
} catch (error) {
  if (error.code !== 'EEXIST') throw error;
  console.log(`${file} is there, and stays as it is.`);
}
