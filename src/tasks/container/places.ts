/** A job that may run, and where its buckets are. */
import { DrayError } from '../../jobs/errors.js';
import type { Addresses, Resolver } from './address.js';
import type { BucketUrl } from './bucket-url.js';
import type { ContainerInput } from './input.js';
import {
  admitBucket,
  admitContainer,
  type BucketField,
  type ContainerJob,
  type ContainerRules,
} from './rules.js';

export interface Place {
  readonly bucket: BucketUrl;
  /** None where the name cannot be resolved here: it may be known where the containers run. */
  readonly addresses: Addresses;
}

export class ContainerPlaces {
  readonly #rules: ContainerRules;
  readonly #resolver: Resolver;

  constructor(params: { rules: ContainerRules; resolver: Resolver }) {
    this.#rules = params.rules;
    this.#resolver = params.resolver;
  }

  /** @throws DrayError with a 4xx code that names the field. */
  async admit(input: ContainerInput): Promise<{ readonly job: ContainerJob; readonly output: Place }> {
    const job = admitContainer(input, this.#rules);
    const [, output] = await Promise.all([
      this.#find(job.inputBucketUrl, 'inputBucketUrl'),
      this.#find(job.outputBucketUrl, 'outputBucketUrl'),
    ]);
    return { job, output };
  }

  async #find(text: string, name: BucketField): Promise<Place> {
    const bucket = admitBucket(text, name, this.#rules);
    try {
      const addresses = await this.#resolver.addressesOf({ ...bucket, field: `input.${name}` });
      return { bucket, addresses };
    } catch (error) {
      if (error instanceof DrayError && error.code === 'unavailable') return { bucket, addresses: [] };
      throw error;
    }
  }
}
