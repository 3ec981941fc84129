/** Reads Prometheus's text form, strictly: a line that does not fit is an error. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** By the metric's name; a histogram's `_bucket`, `_sum` and `_count` belong to it. */
export function readExposition(text: string): Map<string, Family> {
  const families = new Map<string, { help: string; type: string; samples: Sample[] }>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment) {
      const [, word, name, rest] = comment as unknown as [string, string, string, string];
      const family = families.get(name) ?? { help: '', type: '', samples: [] };
      const key = word === 'HELP' ? 'help' : 'type';
      if (family[key] !== '') throw new Error(`two ${word} lines of ${name}`);
      family[key] = rest;
      families.set(name, family);
      continue;
    }
    const sample = readSample(line);
    const family = families.get(sample.name) ?? families.get(sample.name.replace(/_(bucket|sum|count)$/, ''));
    if (!family || family.type === '' || family.help === '')
      throw new Error(`a sample without HELP and TYPE: ${line}`);
    family.samples.push(sample);
  }
  return families;
}

function readSample(line: string): Sample {
  const match = sampleLine.exec(line);
  if (!match) throw new Error(`no sample: ${line}`);
  const [, name, pairs = '', number] = match;
  const labels: Record<string, string> = {};
  let read = 0;
  for (const [pair, label, value] of pairs.matchAll(labelPair)) {
    labels[label!] = value!.replace(/\\(.)/g, (_, character: string) =>
      character === 'n' ? '\n' : character,
    );
    read += pair.length;
  }
  if (read !== pairs.length) throw new Error(`labels that do not fit: ${line}`);
  // Prometheus reads "nan" in any case, and prom-client writes "Nan" where it has seen nothing.
  const value = number === '+Inf' ? Infinity : Number(number);
  if (Number.isNaN(value) && number?.toLowerCase() !== 'nan') throw new Error(`no number: ${line}`);
  return { name: name!, labels, value };
}

/** The value of the one sample with this name and exactly these labels; undefined where there is none. */
export function valueOf(
  families: Map<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = JSON.stringify(Object.entries(labels).sort());
  const found = [...families.values()]
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) => JSON.stringify(Object.entries(sample.labels).sort()) === wanted);
  if (found.length > 1) throw new Error(`${found.length} samples of ${name} with the same labels`);
  return found[0]?.value;
}
