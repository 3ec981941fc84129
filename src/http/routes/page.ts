/** `/`: one small page that shows queues, jobs and workers as they are, from the API alone. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { App } from '../dependencies.js';

const folder = new URL('../page/', import.meta.url);

const assets = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page-tables.js': ['page-tables.js', 'text/javascript; charset=utf-8'],
  '/page.svg': ['page.svg', 'image/svg+xml'],
} as const;

/** Nothing but what this server sends, and none of it inline: what a job holds can never become a script. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function pageRoutes(app: App): void {
  for (const [url, [file, mediaType]] of Object.entries(assets)) {
    const body = readFileSync(new URL(file, folder));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    app.get(url, { schema: { hide: true } }, (request, reply) => {
      void reply
        .header('content-security-policy', contentSecurityPolicy)
        .header('cache-control', 'no-cache') // asked for again, and answered with 304 until the next version
        .header('etag', etag);
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(mediaType).send(body);
    });
  }
}
