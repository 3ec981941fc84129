/** What every answer tells browsers, whatever it is: the same few headers, so that no route can forget one. */
import type { App } from './dependencies.js';

/** What is no page ignores it. Pages have their scripts and styles in files of their own. */
const pagePolicy =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** By lower-case name. Answers are about jobs and may need a key: no cache keeps them. */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': pagePolicy,
  'cache-control': 'no-store',
} as const;

/** The list of addresses at /docs sets styles on its elements. */
export const docsPolicy = `${pagePolicy}; style-src 'self' 'unsafe-inline'`;

/** For all routes of a scope, and of scopes in it; a route may say otherwise of its own answers. */
export function addSecurityHeaders(scope: App): void {
  scope.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(securityHeaders);
    done();
  });
}
