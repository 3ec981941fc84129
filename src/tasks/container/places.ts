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
  readonly addresses: Addresses;
}

export class ContainerPlaces {
  readonly #rules: ContainerRules;
  readonly #resolver: Resolver;

  constructor(params: { rules: ContainerRules; resolver: Resolver }) {
    this.#rules = params.rules;
    this.#resolver = params.resolver;
  }

  /**
   * A name that cannot be resolved here is let through: it may be known where the containers run.
   * @throws DrayError with a 4xx code that names the field.
   */
  async admit(input: ContainerInput): Promise<ContainerJob> {
    const job = admitContainer(input, this.#rules);
    const found = [
      this.#find(job.inputBucketUrl, 'inputBucketUrl'),
      this.#find(job.outputBucketUrl, 'outputBucketUrl'),
    ];
    await Promise.all(found.map((one) => one.catch(unlessUnavailable)));
    return job;
  }

  /**
   * Where the output of an admitted job is now: its name may lead elsewhere than it did then.
   * @throws DrayError as `admit` does, or `unavailable` where it may be found a moment later.
   */
  async output({ outputBucketUrl }: ContainerJob): Promise<Place> {
    try {
      return await this.#find(outputBucketUrl, 'outputBucketUrl');
    } catch (error) {
      const { cause, message } = error as Error;
      // A name that nobody knows stays unknown, other than one whose name server is away.
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOTFOUND') {
        throw new Error(message, { cause: error });
      }
      throw error;
    }
  }

  async #find(text: string, name: BucketField): Promise<Place> {
    const bucket = admitBucket(text, name, this.#rules);
    return { bucket, addresses: await this.#resolver.addressesOf({ ...bucket, field: `input.${name}` }) };
  }
}

function unlessUnavailable(error: unknown): void {
  if (!(error instanceof DrayError && error.code === 'unavailable')) throw error;
}
