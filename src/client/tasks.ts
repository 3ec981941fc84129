/** The types by which a client knows what each job type takes and gives. They cost nothing at run time. */
import type { Static, TSchema } from 'typebox';
import type { Job, SubmitJob } from '../contract/job.js';
import type { ContainerInput, ContainerOutput } from '../tasks/container/input.js';
import type { echo } from '../tasks/echo.js';
import type { createMatmul } from '../tasks/matmul/index.js';
import type { sleep } from '../tasks/sleep.js';
import type { createStartEnd } from '../tasks/start-end.js';

/** What a task takes and gives, as its schemas say. */
export interface TypesOf<T extends { readonly input: TSchema; readonly output: TSchema }> {
  readonly input: Static<T['input']>;
  readonly output: Static<T['output']>;
}

/** Of each job type what its task takes and gives. */
export type TaskMap<Tasks> = {
  readonly [T in keyof Tasks]: { readonly input: unknown; readonly output: unknown };
};

/** The job types that every server knows. Add your own: `DrayClient<BuiltInTasks & { resize: … }>`. */
export interface BuiltInTasks {
  readonly matmul: TypesOf<ReturnType<typeof createMatmul>>;
  readonly echo: TypesOf<typeof echo>;
  readonly sleep: TypesOf<typeof sleep>;
  readonly 'start-end': TypesOf<ReturnType<typeof createStartEnd>>;
}

/** What servers with `--containers` know beside: `DrayClient<BuiltInTasks & ContainerTasks>`. */
export interface ContainerTasks {
  readonly container: { readonly input: ContainerInput; readonly output: ContainerOutput };
}

/** For a client that is to take any job type, unchecked. */
export type AnyTasks = Readonly<Record<string, { readonly input: unknown; readonly output: unknown }>>;

export type TypeName<Tasks> = keyof Tasks & string;

/** A job to submit; its input may be left out where the task takes anything. */
export type Submission<Tasks extends TaskMap<Tasks>, T extends TypeName<Tasks> = TypeName<Tasks>> =
  T extends TypeName<Tasks>
    ? Omit<SubmitJob, 'type' | 'input'> & { readonly type: T } & (undefined extends Tasks[T]['input']
          ? { readonly input?: Tasks[T]['input'] }
          : { readonly input: Tasks[T]['input'] })
    : never;

/** A job as the server knows it. `input` and `result` are absent where they are stored as a blob. */
export type JobOf<Tasks extends TaskMap<Tasks>, T extends TypeName<Tasks> = TypeName<Tasks>> =
  T extends TypeName<Tasks>
    ? Omit<Job, 'type' | 'input' | 'result'> & {
        readonly type: T;
        readonly input?: Tasks[T]['input'];
        readonly result?: Tasks[T]['output'];
      }
    : never;
