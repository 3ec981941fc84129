/** Bodies that are JSON whatever their content type says: curl's -d without a header calls them a form. */
import { DrayError } from '../jobs/errors.js';
import type { App } from '../http/dependencies.js';

const multipart = /^\s*multipart\//i;

/**
 * For all routes of a door. Fastify refuses a content type that is none before a handler could say otherwise, so
 * each POST gets the right one as it arrives.
 *
 * @param refuseMultipart for doors that say so of such a body (`unsupported-media-type`), rather than that it is
 * no JSON.
 */
export function readAsJson(
  app: App,
  { refuseMultipart = false }: { readonly refuseMultipart?: boolean } = {},
): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw;
    if (request.method !== 'POST') {
      done();
    } else if (refuseMultipart && multipart.test(headers['content-type'] ?? '')) {
      done(new DrayError('unsupported-media-type', 'multipart bodies are not read here; send JSON'));
    } else {
      headers['content-type'] = 'application/json';
      done();
    }
  });
}
