/** Numbers as people read them. Pure. */

/** Decimal units, as disks and networks are sold: 32000128 → "32.0 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 99.95 ? 1 : 0)} ${units[unit]!}`;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** How long something took, to about three digits: "41 ms", "1.23 s", "2 min 5 s", "3 h 12 min". */
export function formatDuration(ms: number): string {
  if (ms < second) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 99.95 * second) return `${(ms / second).toFixed(ms < 10 * second ? 2 : 1)} s`;
  if (ms < hour) return pair(ms, minute, 'min', second, 's');
  if (ms < day) return pair(ms, hour, 'h', minute, 'min');
  return pair(ms, day, 'd', hour, 'h');
}

/** How long ago something was, in one unit: "3 s", "12 min", "5 h", "40 d". A clock ahead of ours gives "0 s". */
export function formatAge(ms: number): string {
  if (ms < minute) return `${Math.max(0, Math.floor(ms / second))} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < 2 * day) return `${Math.floor(ms / hour)} h`;
  return `${Math.floor(ms / day)} d`;
}

function pair(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const all = Math.round(ms / small);
  const perLarge = large / small;
  const rest = all % perLarge;
  const head = `${Math.floor(all / perLarge)} ${largeName}`;
  return rest === 0 ? head : `${head} ${rest} ${smallName}`;
}

/** At most `width` characters, the last one "…" where something is left out. One line. */
export function shorten(text: string, width: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= width ? line : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
