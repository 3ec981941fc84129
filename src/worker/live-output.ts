/** What a task prints, on its way to those who watch the job: gathered, and bounded whatever the task does. */
import type { CancelTimer, Clock } from '../clock.js';

/** Text is gathered for so long, in ms. */
const gatherMs = 100;
/** UTF-16 units of one piece, and of all in one second; what is beyond is left out. */
const longestPiece = 16 * 1024;
const perSecond = 64 * 1024;

export class LiveOutput {
  readonly #clock: Clock;
  readonly #send: (piece: string) => void;
  /** Since when this second is, and how much was said in it. */
  #since = -Infinity;
  #said = 0;
  #waiting = '';
  #leftOut = 0;
  #cancelTimer: CancelTimer | undefined;

  constructor(clock: Clock, send: (piece: string) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param given a text; of a task that knows no types it may be anything. */
  write(given: unknown): void {
    const text = String(given);
    this.#beginSecond();
    // Once something is left out, so is all up to the line that says it.
    const room = this.#leftOut > 0 ? 0 : perSecond - this.#said - this.#waiting.length;
    const taken = start(text, room);
    this.#waiting += taken;
    this.#leftOut += text.length - taken.length;
    this.#cancelTimer ??= this.#clock.after(gatherMs, () => this.#flush());
  }

  /** Says what is left to say. */
  end(): void {
    this.#cancelTimer?.();
    this.#sayLeftOut();
    this.#sendAll();
  }

  #flush(): void {
    this.#cancelTimer = undefined;
    this.#beginSecond();
    this.#sendAll();
    if (this.#leftOut === 0) return;
    const pause = this.#since + 1_000 - this.#clock.monotonic();
    this.#cancelTimer = this.#clock.after(Math.max(1, pause), () => this.#flush());
  }

  #beginSecond(): void {
    const now = this.#clock.monotonic();
    if (now - this.#since < 1_000) return;
    this.#since = now;
    this.#said = 0;
    this.#sayLeftOut();
  }

  #sayLeftOut(): void {
    if (this.#leftOut > 0) this.#waiting += `\n[${this.#leftOut} characters were left out here]\n`;
    this.#leftOut = 0;
  }

  #sendAll(): void {
    this.#said += this.#waiting.length;
    while (this.#waiting !== '') {
      const piece = start(this.#waiting, longestPiece);
      this.#waiting = this.#waiting.slice(piece.length);
      this.#send(piece);
    }
  }
}

/** At most so much of its beginning, and no half of a character. */
function start(text: string, most: number): string {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  const splits = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, Math.max(0, splits ? most - 1 : most));
}
