/** Structured logs: JSON lines, or something for people where the output is a terminal. */
import { pino, type DestinationStream, type Logger } from 'pino';
import type { TaskLog } from '../tasks/task.js';

export function createLogger(level: string): Logger {
  if (!process.stdout.isTTY) return pino({ level }, linesOfTurns());
  return pino({
    level,
    transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss', ignore: 'pid,hostname' } },
  });
}

/** Standard output, to which the lines of one turn of the event loop go at once: a write costs as much as a request. */
function linesOfTurns(): DestinationStream {
  const out = pino.destination({ fd: process.stdout.fd, sync: true });
  let lines = '';
  const flush = (): void => {
    if (lines !== '') out.write(lines);
    lines = '';
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
  };
}

export function taskLog(logger: Logger): TaskLog {
  return {
    info: (message, details) => logger.info(details ?? {}, message),
    warn: (message, details) => logger.warn(details ?? {}, message),
  };
}
