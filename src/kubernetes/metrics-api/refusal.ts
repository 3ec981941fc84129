/** What the metrics API answers with instead of figures, in the form that Kubernetes' clients read. */

const reasons = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  500: 'InternalError',
  503: 'ServiceUnavailable',
} as const;

export class Refusal extends Error {
  readonly code: keyof typeof reasons;

  constructor(code: keyof typeof reasons, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'Refusal';
    this.code = code;
  }

  /** An object of kind Status. */
  get status() {
    const { code, message } = this;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason: reasons[code],
      code,
    };
  }
}
