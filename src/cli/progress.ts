/** Progress of one command: bars on a terminal, plain lines in a log, nothing where nobody reads it. */
import cliProgress from 'cli-progress';
import { formatBytes } from './format.js';
import type { Stream } from './terminal.js';

export interface Stage {
  update(done: number, total?: number, note?: string): void;
  /** Fills the bar and leaves it on the screen. */
  finish(note?: string): void;
}

export interface Progress {
  /** A step with a measure: bytes, or a fraction of 1. Steps come one after the other. */
  stage(label: string, kind: 'bytes' | 'fraction'): Stage;
  /** Writes whole lines, on whatever stream, above the bar. */
  above(write: () => void): void;
  /** Ends an unfinished bar and shows the cursor again. Call it in every case. */
  stop(): void;
}

export function createProgress(stream: Stream, quiet: boolean): Progress {
  if (quiet) {
    const stage = { update: () => undefined, finish: () => undefined };
    return { stage: () => stage, above: (write) => write(), stop: () => undefined };
  }
  return stream.isTTY === true ? bars(stream) : lines(stream);
}

const labelWidth = 10;
const clearLine = '\r\u001b[K';
/** The bar goes back to where it was saved when it stops. */
const saveCursor = '\u001b7';

function bars(stream: Stream): Progress {
  let current: cliProgress.SingleBar | undefined;
  const stop = (): void => {
    current?.stop();
    current = undefined;
  };
  return {
    stop,
    above(write) {
      if (current) stream.write(clearLine);
      write();
      if (!current) return;
      stream.write(saveCursor);
      current.render();
    },
    stage(label, kind) {
      stop();
      const size = Math.max(10, Math.min(40, (stream.columns ?? 80) - 70));
      const bar = new cliProgress.SingleBar({
        format: `${label.padEnd(labelWidth)}{bar} {percentage}%  {note}`,
        formatValue: (value, _options, type) =>
          type === 'percentage' ? String(value).padStart(3) : String(value),
        stream: stream as unknown as NodeJS.WriteStream,
        barsize: size,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        hideCursor: true,
        forceRedraw: true, // what was written above it has taken its place
        autopadding: false,
      });
      bar.start(1, 0, { note: '' });
      current = bar;
      let total = 1;
      let shown = '';
      return {
        update(done, of = 1, note = '') {
          total = Math.max(of, 1e-9);
          if (of !== bar.getTotal()) bar.setTotal(total);
          shown = kind === 'bytes' ? `${formatBytes(done)} of ${formatBytes(of)}` : note;
          bar.update(Math.min(done, total), { note: shown });
        },
        finish(note) {
          bar.update(total, { note: note ?? shown });
          stop();
        },
      };
    },
  };
}

/** A line at the start of a step, at every quarter, at every new note, and at its end. */
function lines(stream: Stream): Progress {
  return {
    stop: () => undefined,
    above: (write) => write(),
    stage(label, kind) {
      let quarter = 0;
      let noted = '';
      const say = (text: string): void => void stream.write(`${label.padEnd(labelWidth)}${text}\n`);
      return {
        update(done, of = 1, note = '') {
          const reached = Math.floor((4 * done) / Math.max(of, 1e-9));
          if (reached >= 4 || (reached === quarter && note === noted)) return;
          quarter = reached;
          noted = note;
          const percent = `${Math.floor((100 * done) / Math.max(of, 1e-9))}%`;
          say(kind === 'bytes' ? `${percent} of ${formatBytes(of)}` : `${percent} ${note}`.trimEnd());
        },
        finish: (note) => say(note ?? 'done'),
      };
    },
  };
}
