/** Structured logs: JSON lines, or something for people where the output is a terminal. */
import { pino, type Logger } from 'pino';
import type { TaskLog } from '../tasks/task.js';

export function createLogger(level: string): Logger {
  if (!process.stdout.isTTY) return pino({ level });
  return pino({
    level,
    transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss', ignore: 'pid,hostname' } },
  });
}

export function taskLog(logger: Logger): TaskLog {
  return {
    info: (message, details) => logger.info(details ?? {}, message),
    warn: (message, details) => logger.warn(details ?? {}, message),
  };
}
