/** What the option table says of each option. */
import type { Config } from './options.js';

/**
 * The commands that run something until they are stopped: everything in one process, a part of it in each, or
 * (`dray models serve`) models alone.
 */
export type Mode = 'serve' | 'api' | 'worker' | 'controller' | 'models';
/** One process of a deployment. */
export type ApartMode = Exclude<Mode, 'serve' | 'models'>;

type OptionType =
  | 'string'
  | 'integer'
  | 'number'
  | 'bytes'
  | 'duration'
  | 'share'
  | 'list'
  | 'name'
  | 'switch'
  | 'address'
  | 'json';

export interface Option {
  /** camelCase: the key in Config and in the file. */
  readonly name: keyof Config;
  readonly flag: string;
  readonly variable: string;
  /** The commands that heed it; the others have its default. */
  readonly modes: readonly Mode[];
  readonly type: OptionType;
  /** As a user would write it; undefined where the default depends on the machine or nothing is set. */
  readonly default?: string;
  /** Where it is another one past one machine. */
  readonly defaultApart?: string;
  /** Where it is another one in a command. */
  readonly defaultIn?: Partial<Record<Mode, string>>;
  readonly min?: number;
  readonly max?: number;
  /** Where only these words are taken. */
  readonly values?: readonly string[];
  /** Of an address: those that it may have. */
  readonly schemes?: readonly string[];
  readonly doc: string;
}
