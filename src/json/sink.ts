/**
 * Reading JSON as it arrives, in bounded memory: a body is a tree of sinks, each taking the bytes of one value.
 * Objects hand the bytes of a member's value to the sink that their owner chose for its key, so a 4 GiB matrix
 * inside of a request goes straight into binary while its neighbours are small parsed values.
 */
export interface ValueSink {
  /**
   * Takes bytes of the value from `chunk[at]` on, as far as they belong to it. The first call gets the value's
   * first byte, white space before it already skipped.
   *
   * @returns the index after the last byte taken. Less than `chunk.length` only when `done`. A number ends at
   * the first byte that cannot belong to it, which is not taken.
   * @throws DrayError that names the field, and where possible the place, when the bytes are not acceptable.
   */
  feed(chunk: Uint8Array, at: number): number;
  /** True once the value is complete. */
  readonly done: boolean;
  /** The value, once done: parsed JSON, or what the sink made of it. */
  value(): unknown;
  /**
   * Resolves when what was fed so far is written out where it belongs. The reader awaits it after every chunk,
   * which is what bounds the memory; undefined where nothing waits.
   */
  drain?(): Promise<void> | undefined;
}
