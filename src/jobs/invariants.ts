/** What a check of a store's promises reports. */
export interface Violation {
  /** Which promise: `job-state`, `history`, `completions`, `blobs`, `leases`, `keys`, `labels`, `uses`, `indexes`, `counts` or `file`. */
  readonly invariant: string;
  readonly job?: string;
  readonly detail: string;
}

export interface InvariantReport {
  /** Looked at. */
  readonly jobs: number;
  readonly completions: number;
  /** The first of them; `more` counts the rest. */
  readonly violations: readonly Violation[];
  readonly more: number;
}
