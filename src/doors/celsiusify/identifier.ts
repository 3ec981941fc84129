/** The identifier of one running instance: `xxxxxxxx-xxxxxxxx-xxxxxxxx-xxxxxxxx`. */
import type { Clock } from '../../clock.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const [groups, groupSize] = [4, 8];
/** Bytes from here on are thrown away: they would make the first letters of the alphabet more likely. */
const fair = Math.floor(256 / alphabet.length) * alphabet.length;

/** Four groups of eight letters and digits, each as likely as any other. */
export function appIdentifier(clock: Pick<Clock, 'token'>): string {
  let characters = '';
  while (characters.length < groups * groupSize) {
    for (const byte of Buffer.from(clock.token(), 'hex')) {
      if (byte < fair) characters += alphabet.charAt(byte % alphabet.length);
    }
  }
  return Array.from({ length: groups }, (_, i) => characters.slice(i * groupSize, (i + 1) * groupSize)).join(
    '-',
  );
}
