/** Reads a database without becoming its owner. */
import { DatabaseSync } from '@photostructure/sqlite';
import type { Database } from './statements.js';

/**
 * Once it is closed the file is free again, for this process too. A prepared statement would keep the connection,
 * and with it the lock on the file, until it is collected as garbage; so rows come by a function that SQL calls.
 */
export class Reader {
  readonly #db: Database;
  #take: (values: unknown[]) => void = () => undefined;

  /** @throws Error where the file cannot be opened. That it is locked or damaged shows at the first reading. */
  constructor(file: string) {
    this.#db = new DatabaseSync(file, { timeout: 0, readOnly: true });
    this.#db.function('take_row', { varargs: true }, (...values: unknown[]) => {
      this.#take(values);
      return null;
    });
  }

  /** @param from what follows FROM: a table, or a query in parentheses. */
  all<T extends Readonly<Record<string, unknown>>>(
    columns: readonly (keyof T & string)[],
    from: string,
  ): T[] {
    const rows: T[] = [];
    this.#take = (values) =>
      rows.push(Object.fromEntries(columns.map((name, place) => [name, values[place]])) as T);
    this.#db.exec(`SELECT take_row(${columns.join(', ')}) FROM ${from}`);
    return rows;
  }

  close(): void {
    this.#db.close();
  }
}
