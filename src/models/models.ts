/**
 * The models that are served: all versions of all models of a folder, looked at again and again. What cannot be loaded
 * is said once in the log and in the model's status, and keeps nothing else from being served.
 */
import type { CancelTimer, Clock } from '../clock.js';
import type { Log } from '../log.js';
import { DrayError, isUnavailable } from '../jobs/errors.js';
import { Batches, type BatchOptions } from './batches.js';
import { findVersions, modelFile, type FoundVersion } from './model-folder.js';
import type { Signature, Tensors } from './tensor.js';
import { Threads } from './threads.js';

/** Between two looks at the folder, in ms. */
const lookMs = 2_000;

/** Of a version, as TensorFlow Serving names its states. */
export type VersionState = 'LOADING' | 'AVAILABLE' | 'END';

export interface VersionStatus {
  readonly version: number;
  readonly state: VersionState;
  /** Why it cannot be used. */
  readonly error: string | undefined;
}

export interface Servable {
  readonly model: string;
  readonly version: number;
  readonly signature: Signature;
  /** @param request.abandoned true once nobody waits for the answer any more. */
  run(request: {
    readonly inputs: Tensors;
    readonly rows: number;
    readonly abandoned?: () => boolean;
  }): Promise<Tensors>;
}

interface Version {
  readonly found: FoundVersion;
  /** Of this load alone: a version whose file is replaced is loaded beside the old one. */
  readonly key: string;
  state: VersionState;
  error: string | undefined;
  servable: Servable | undefined;
  /** Its file may be fine: its thread died, or the one after it could not load it. */
  again: boolean;
}

export interface ModelsParams {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: BatchOptions;
  /** Told of each batch as it begins. */
  readonly onBatch?: (batch: { readonly model: string; readonly rows: number }) => void;
  /** What a thread runs, in place of the runtime. */
  readonly script?: URL;
}

export class Models {
  readonly #params: ModelsParams;
  readonly #threads: Threads;
  readonly #batches: Batches;
  readonly #versions = new Map<string, Map<number, Version>>();
  #cancelTimer: CancelTimer = () => undefined;
  #opened = false;
  #closed = false;
  #looking = false;
  #loads = 0;
  #look: Promise<void> = Promise.resolve();
  #trouble: string | undefined;

  /** Resolves once what the folder holds is loaded, or known not to be loadable. @throws DrayError `unavailable`. */
  static async open(params: ModelsParams): Promise<Models> {
    const found = await findVersions(params.folder);
    const models = new Models(params);
    await models.#take(found);
    models.#opened = true;
    models.#cancelTimer = params.clock.every(lookMs, () => models.#lookAgain());
    return models;
  }

  private constructor(params: ModelsParams) {
    this.#params = params;
    const { clock, log, options, onBatch } = params;
    this.#threads = new Threads({
      ...{ size: options.threads, clock, log },
      onLost: (key, reason) => this.#lose(key, reason),
      ...(params.script && { script: params.script }),
    });
    this.#batches = new Batches({
      run: (key, inputs) => this.#threads.run(key, inputs),
      clock,
      options,
      // A key begins with the model's name, which has no slash.
      ...(onBatch && { onBatch: ({ key, rows }) => onBatch({ model: key.split('/', 1)[0]!, rows }) }),
    });
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#batches.waiting;
  }

  /** False where there is none that could be asked. */
  get ready(): boolean {
    return this.all().some(({ state }) => state === 'AVAILABLE');
  }

  all(): readonly (VersionStatus & { readonly model: string })[] {
    return [...this.#versions].flatMap(([model, versions]) =>
      [...versions.values()].map((version) => ({ model, ...statusOf(version) })),
    );
  }

  /** Highest version first. @throws DrayError `model-not-found`. */
  status(model: string, version?: number): readonly VersionStatus[] {
    const versions = this.#versions.get(model);
    if (versions === undefined)
      throw new DrayError('model-not-found', `Could not find any versions of model ${model}`);
    const meant = [...versions.values()].filter(({ found }) => (version ?? found.version) === found.version);
    if (meant.length === 0)
      throw new DrayError('model-not-found', `Could not find version ${version} of model ${model}`);
    return meant.map(statusOf).sort((one, other) => other.version - one.version);
  }

  /** The highest version that is available, or the one that is asked for. @throws DrayError `model-not-found`. */
  find(model: string, version?: number): Servable {
    const versions = [...(this.#versions.get(model)?.values() ?? [])];
    const [best] = versions
      .filter(({ found }) => (version ?? found.version) === found.version)
      .filter(({ servable }) => servable !== undefined)
      .sort((one, other) => other.found.version - one.found.version);
    if (best?.servable) return best.servable;
    const asked = version === undefined ? `Latest(${model})` : `Specific(${model}, ${version})`;
    throw new DrayError('model-not-found', `Servable not found for request: ${asked}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    this.#batches.close();
    await this.#threads.close();
    await this.#look;
  }

  #lookAgain(): void {
    if (this.#looking) return; // it may load something large
    this.#looking = true;
    this.#look = this.#look.then(async () => {
      try {
        const found = await findVersions(this.#params.folder);
        this.#trouble = undefined;
        await this.#take(found);
      } catch (error) {
        if (this.#closed) return;
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== this.#trouble)
          this.#params.log.warn('the folder of models cannot be read', { reason });
        this.#trouble = reason;
      } finally {
        this.#looking = false;
      }
    });
  }

  async #take(found: readonly FoundVersion[]): Promise<void> {
    const loads = found.map((one) => this.#takeVersion(one));
    const there = new Set(found.map(({ model, version }) => `${model}/${version}`));
    for (const [model, versions] of this.#versions) {
      for (const [number, version] of versions) {
        if (there.has(`${model}/${number}`)) continue;
        versions.delete(number);
        this.#params.log.info('a version of a model was removed', { model, version: number });
        this.#retire(version);
      }
      if (versions.size === 0) this.#versions.delete(model);
    }
    await Promise.all(loads);
  }

  async #takeVersion(found: FoundVersion): Promise<void> {
    const { model, version, stamp, file } = found;
    const versions = this.#versions.get(model) ?? new Map<number, Version>();
    this.#versions.set(model, versions);
    const before = versions.get(version);
    if (before !== undefined && before.found.stamp === stamp && !before.again) return;
    const key = `${model}/${version}/${this.#loads++}`;
    // Until the new one is loaded the one before serves.
    const taken: Version = {
      ...{ found, key, error: undefined, again: false },
      state: before?.servable ? 'AVAILABLE' : 'LOADING',
      servable: before?.servable,
    };
    versions.set(version, taken);
    try {
      if (stamp === undefined) throw new Error(`there is no ${modelFile} in its folder`);
      const signature = await this.#threads.load(key, file, { beside: this.#opened });
      taken.servable = {
        model,
        version,
        signature,
        run: (request) => this.#batches.submit({ key, signature, ...request }),
      };
      taken.state = 'AVAILABLE';
      this.#params.log.info('a version of a model is served', { model, version });
    } catch (error) {
      if (this.#closed) return;
      taken.servable = undefined;
      taken.state = 'END';
      taken.error = error instanceof Error ? error.message : String(error);
      // What was served from this very file will be again, once there is memory, or whatever it lacked.
      taken.again = isUnavailable(error) || (before?.again === true && before.found.stamp === stamp);
      if (taken.error !== before?.error)
        this.#params.log.warn('a version of a model cannot be served', {
          ...{ model, version, reason: taken.error },
        });
    }
    if (before) this.#retire(before);
  }

  /** The next look loads it again. */
  #lose(lost: string, reason: string): void {
    for (const versions of this.#versions.values()) {
      for (const version of versions.values()) {
        if (version.key !== lost) continue;
        Object.assign(version, { servable: undefined, state: 'END', error: reason, again: true });
      }
    }
  }

  /** Takes it out of the threads once the requests that have it are answered. It can be found no more. */
  #retire({ key, servable }: Version): void {
    if (servable) void this.#batches.drained(key).then(() => this.#threads.unload(key));
  }
}

function statusOf({ found, state, error }: Version): VersionStatus {
  return { version: found.version, state, error };
}
