/** What an object says of itself, as Kubernetes' API has it: `status` is True, False or Unknown, the time RFC 3339. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}
