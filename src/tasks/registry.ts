/** The job types that this process knows. */
import { Compile, type Validator } from 'typebox/compile';
import { DrayError } from '../jobs/errors.js';
import type { Task } from './task.js';

export class TaskRegistry {
  readonly #tasks = new Map<string, { task: Task; input: Validator; output: Validator }>();

  constructor(tasks: readonly Task[]) {
    for (const task of tasks) {
      if (this.#tasks.has(task.type)) throw new Error(`two tasks run the job type "${task.type}"`);
      this.#tasks.set(task.type, { task, input: Compile(task.input), output: Compile(task.output) });
    }
  }

  get types(): readonly string[] {
    return [...this.#tasks.keys()];
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

function check(
  validator: Validator,
  value: unknown,
  root: string,
  code: 'invalid-request' | 'invalid-output',
): void {
  if (validator.Check(value)) return;
  const [error] = validator.Errors(value);
  const path = error ? root + error.instancePath.replaceAll('/', '.') : root;
  throw new DrayError(code, `${path}: ${error?.message ?? 'does not fit its schema'}`, { field: path });
}
