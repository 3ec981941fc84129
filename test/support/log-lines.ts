/** A log that a test can read. */
import type { Log } from '../../src/log.js';

export interface LogLine {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
}

export class LogLines implements Log {
  readonly lines: LogLine[] = [];

  info(message: string, details?: Record<string, unknown>): void {
    this.lines.push({ level: 'info', message, details });
  }

  warn(message: string, details?: Record<string, unknown>): void {
    this.lines.push({ level: 'warn', message, details });
  }

  /** Everything that was said, as one text. */
  get text(): string {
    return JSON.stringify(this.lines);
  }
}
