/** What somebody may read, as the cluster's own rules say. */
import type { Clock } from '../../clock.js';
import type { Api } from '../api.js';
import type { Identity } from './authentication.js';
import { Recent } from './recent.js';
import { group, version } from './values.js';

interface AccessReview {
  readonly status?: { readonly allowed?: boolean; readonly denied?: boolean };
}

export class Authorization {
  readonly #api: Api;
  readonly #reviews: Recent<boolean>;

  constructor(params: { api: Api; clock: Clock }) {
    this.#api = params.api;
    this.#reviews = new Recent(params.clock);
  }

  /**
   * Whether somebody may read a metric: by its verb `list`, as the API server reckons a request without a name.
   * @throws ApiError where the API server does not answer.
   */
  async mayRead(
    { name: user, uid, groups, extra }: Identity,
    { namespace, metric }: { readonly namespace: string; readonly metric: string },
  ): Promise<boolean> {
    const resourceAttributes = { namespace, verb: 'list', group, version, resource: metric };
    const spec = { user, ...(uid !== undefined && { uid }), groups, extra, resourceAttributes };
    return this.#reviews.get(JSON.stringify(spec), async () => {
      const { status } = await this.#api.create<AccessReview>(
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
      );
      return status?.allowed === true && status.denied !== true;
    });
  }
}
