/** What `/metrics` tells, in Prometheus's text form. */
import { Registry } from 'prom-client';

export class Metrics {
  readonly #registry = new Registry();

  /** The content type of `text()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
