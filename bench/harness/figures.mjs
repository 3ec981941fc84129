/**
 * Figures and rows of the printed table. Repetitions of ours and of the peer alternate, so a ratio is taken
 * pair by pair and then the median: what disturbs the machine for a while disturbs both halves of a pair.
 */

/** @param {readonly number[]} values at least one */
export function median(values) {
  return percentile(values, 50);
}

/** Linear between the neighbours, as numpy does by default. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const lower = sorted[below];
  const upper = sorted[Math.min(below + 1, sorted.length - 1)];
  return lower + (upper - lower) * (place - below);
}

/**
 * Ours against a peer's, both as lists with one figure per repetition. The ratio is always ours / peer, and the
 * target is a bound on its median; without a bound the row is only information. `worst` is the pair furthest from
 * the target.
 */
export function compare({ what, unit, ours, peer, atLeast, atMost }) {
  const ratios = ours.map((value, i) => value / peer[i]);
  const ratio = median(ratios);
  return {
    what,
    unit,
    ours: median(ours),
    peer: median(peer),
    ratio,
    ...(atLeast !== undefined && { worst: Math.min(...ratios) }),
    ...(atMost !== undefined && { worst: Math.max(...ratios) }),
    ...verdict(ratio, { atLeast, atMost, unit: '×' }),
    all: { ours, peer },
  };
}

/** A bound on our own figure: the worst repetition counts. */
export function limit({ what, unit, values, atLeast, atMost }) {
  const worst = atLeast === undefined ? Math.max(...values) : Math.min(...values);
  return { what, unit, ours: worst, ...verdict(worst, { atLeast, atMost, unit }), all: { ours: values } };
}

/** Told, but without a target. */
export function information({ what, unit, values }) {
  return { what, unit, ours: median(values), all: { ours: values } };
}

function verdict(value, { atLeast, atMost, unit }) {
  if (atLeast !== undefined) return { target: `≥ ${atLeast} ${unit}`, reached: value >= atLeast };
  if (atMost !== undefined) return { target: `≤ ${atMost} ${unit}`, reached: value <= atMost };
  return {};
}

/** Calls the steps in turn, `times` rounds of A B A B, and gives the list of each step's figures. */
export async function alternate(times, steps) {
  const figures = Object.fromEntries(Object.keys(steps).map((name) => [name, []]));
  for (let round = 0; round < times; round++) {
    for (const [name, step] of Object.entries(steps)) figures[name].push(await step(round));
  }
  return figures;
}
