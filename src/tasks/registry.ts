/** The job types that this process knows. */
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { misfitOf } from '../contract/misfit.js';
import { DrayError } from '../jobs/errors.js';
import type { Task } from './task.js';

export class TaskRegistry {
  readonly #tasks = new Map<string, { task: Task; input: Validator; output: Validator }>();

  constructor(tasks: readonly Task[]) {
    for (const task of tasks) this.add(task);
  }

  /** @throws Error where another task runs the type, or a schema cannot be compiled. */
  add(task: Task): void {
    if (this.#tasks.has(task.type)) throw new Error(`there is another task for the job type "${task.type}"`);
    const input = compile(task.input, 'input');
    this.#tasks.set(task.type, { task, input, output: compile(task.output, 'output') });
  }

  get types(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  /** The types of the tasks that run in the worker's process, or of those that do not. */
  typesOf({ inline }: { inline: boolean }): readonly string[] {
    return this.types.filter((type) => (this.get(type).inline ?? false) === inline);
  }

  /** Undefined where no task runs the type, as it may be with a job of an earlier time. */
  find(type: string): Task | undefined {
    return this.#tasks.get(type)?.task;
  }

  /** @throws DrayError `unknown-type`. */
  get(type: string): Task {
    return this.#entry(type).task;
  }

  /** @throws DrayError `invalid-request` that names the field. */
  checkInput(type: string, input: unknown): void {
    check(this.#entry(type).input, input, 'input', 'invalid-request');
  }

  /** @throws DrayError `invalid-output` that names the path. */
  checkOutput(type: string, output: unknown): void {
    check(this.#entry(type).output, output, 'output', 'invalid-output');
  }

  #entry(type: string): { task: Task; input: Validator; output: Validator } {
    const entry = this.#tasks.get(type);
    if (entry) return entry;
    throw new DrayError(
      'unknown-type',
      `no task runs jobs of type "${type.slice(0, 128)}"; this server knows ${this.types.join(', ')}`,
      { field: 'type' },
    );
  }
}

function compile(schema: TSchema, which: string): Validator {
  try {
    return Compile(schema);
  } catch (error) {
    throw new Error(`its ${which} schema cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function check(
  validator: Validator,
  value: unknown,
  root: string,
  code: 'invalid-request' | 'invalid-output',
): void {
  if (validator.Check(value)) return;
  const { path, message } = misfitOf(validator.Errors(value));
  const field = path === '' ? root : `${root}.${path}`;
  throw new DrayError(code, `${field}: ${message}`, { field });
}
