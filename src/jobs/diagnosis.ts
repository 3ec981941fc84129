/** What `dray doctor` finds. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `wrong`: a server does not work here, or breaks a promise; `warning`: it works less well than it could. */
  readonly state: 'ok' | 'warning' | 'wrong';
  readonly detail: string;
  /** What to do; there for all but `ok`. */
  readonly advice?: string;
}
