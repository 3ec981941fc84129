/** Tasks that users wrote, from the modules that they name. docs/tasks.md tells what a module exports. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import type { TaskRegistry } from './registry.js';
import type { Task } from './task.js';

/** A module that awaits something for ever must not keep a server from saying so, in ms. */
const loadMs = 30_000;
const typeName = /^[\w.:-]{1,128}$/;

/**
 * Adds the tasks of each module, in its order.
 * @param files paths, from the working directory.
 * @throws DrayError `invalid-task` that names the file: it cannot be loaded, has no task, or one that cannot be used.
 */
export async function addTasks(
  registry: TaskRegistry,
  files: readonly string[],
  clock: Clock,
): Promise<void> {
  for (const file of files) {
    try {
      for (const task of tasksOf(await importModule(file, clock))) registry.add(task);
    } catch (error) {
      throw new DrayError('invalid-task', `--tasks ${file}: ${reasonOf(error)}`, {
        field: 'tasks',
        cause: error,
      });
    }
  }
}

async function importModule(file: string, clock: Clock): Promise<Readonly<Record<string, unknown>>> {
  const path = resolve(file);
  await access(path);
  const ended = new AbortController();
  const late = clock.sleep(loadMs, ended.signal).then(() => {
    throw new Error(`its import has not ended after ${loadMs / 1_000} s`);
  });
  late.catch(() => undefined); // the sleep is ended where the import is
  const imported = import(pathToFileURL(path).href) as Promise<Record<string, unknown>>;
  return Promise.race([imported, late]).finally(() => ended.abort());
}

/** A module may name a task twice, by its default export and by a name. */
function tasksOf(module: Readonly<Record<string, unknown>>): ReadonlySet<Task> {
  const { default: main, ...named } = module;
  const tasks = new Set<Task>();
  if (Array.isArray(main)) main.forEach((value, i) => tasks.add(checked(value, `default[${i}]`)));
  else if (isMeant(main)) tasks.add(checked(main, 'default'));
  for (const [name, value] of Object.entries(named)) if (isMeant(value)) tasks.add(checked(value, name));
  if (tasks.size === 0) {
    throw new Error('it exports no task; export one, made by defineTask, or several as an array by default');
  }
  return tasks;
}

/** What has a `run` is meant as a task; a module may well export other things by name. */
function isMeant(value: unknown): value is { run: unknown } {
  return typeof value === 'object' && value !== null && 'run' in value;
}

/** What can be known of a task without running it. @throws Error that names the export and the member. */
function checked(value: unknown, name: string): Task {
  const refuse = (reason: string): Error => new Error(`its export ${name} is no task: ${reason}`);
  if (typeof value !== 'object' || value === null)
    throw refuse(`it is ${value === null ? 'null' : typeof value}`);
  const task = value as Readonly<Record<string, unknown>>;
  if (typeof task['type'] !== 'string' || !typeName.test(task['type'])) {
    throw refuse('its type must be 1 to 128 characters of A–Z a–z 0–9 . _ : -');
  }
  for (const schema of ['input', 'output']) {
    if (typeof task[schema] !== 'object' || task[schema] === null)
      throw refuse(`its ${schema} must be a schema`);
  }
  for (const method of ['run', 'admit', 'work', 'timeoutMs', 'represent']) {
    const given = task[method];
    if (typeof given !== 'function' && (given !== undefined || method === 'run')) {
      throw refuse(`its ${method} must be a function`);
    }
  }
  if (typeof (task['inline'] ?? false) !== 'boolean') throw refuse('its inline must be true or false');
  const slots = task['slots'] ?? 1;
  if (!Number.isInteger(slots) || (slots as number) < 1)
    throw refuse('its slots must be a whole number from 1 on');
  if (task['slots'] !== undefined && task['inline'] !== true)
    throw refuse('only an inline task has slots of its own; executors are shared by all others');
  if (typeof (task['resumes'] ?? false) !== 'boolean') throw refuse('its resumes must be true or false');
  if (task['resumes'] === true && task['slots'] === undefined)
    throw refuse('only a task with slots of its own resumes');
  return value as Task;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `its import threw ${String(error)}`;
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'there is no such file';
  // Of a syntax error only the stack has the line, first of all.
  const where = error instanceof SyntaxError ? error.stack?.split('\n')[0] : undefined;
  return where === undefined || where.includes(error.message) ? error.message : `${error.message} (${where})`;
}
