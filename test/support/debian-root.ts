/** File systems for images, of the Debian packages that this machine has: no registry, no mirror and no root is asked. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface DebianFiles {
  /** From the root, without a slash at the beginning: directories and links too. */
  readonly paths: readonly string[];
  /** Names the packages with their versions: the same packages give the same files. */
  readonly identity: string;
}

interface Package {
  readonly version: string;
  readonly depends: readonly (readonly string[])[];
  readonly provides: readonly string[];
}

/** What no program of an image reads; and `etc` and `var`, which hold what this machine was told, secrets among it. */
const leftOut =
  /^(etc|var|usr\/share\/(doc|man|info|locale|lintian|i18n|bash-completion|common-licenses))(\/|$)/;
/** Directories that programs expect, and what makes /bin/sh be found. */
const always = ['bin', 'sbin', 'lib', 'lib64', 'tmp'];

/**
 * The files of these packages and of all that they depend on.
 * @param without what is not needed, though others say that they depend on it.
 * @throws Error where one of them is not installed
 */
export function debianFiles(names: readonly string[], without: readonly string[] = []): DebianFiles {
  if (names.length === 0) return { paths: [], identity: '' };
  const installed = installedPackages();
  const providers = new Map(
    [...installed].flatMap(([name, { provides }]) => provides.map((provided) => [provided, name] as const)),
  );
  const real = (name: string): string | undefined => (installed.has(name) ? name : providers.get(name));
  const found = new Set<string>();
  const waiting = names.map((name) => {
    const known = real(name);
    if (known === undefined) throw new Error(`an image needs ${name}: apt-get install ${name}`);
    return known;
  });
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    for (const alternatives of installed.get(name)!.depends) {
      const first = alternatives.map(real).find((known) => known !== undefined);
      if (first !== undefined && !without.includes(first)) waiting.push(first);
    }
  }
  const all = [...found].sort();
  const listed = execFileSync('dpkg', ['-L', ...all], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const paths = new Set(listed.split('\n').flatMap(placeOf));
  for (const name of always) if (existsSync(`/${name}`)) paths.add(name);
  for (const link of alternativesFor(paths)) paths.add(link);
  return {
    paths: [...paths].sort(),
    identity: all.map((name) => `${name} ${installed.get(name)!.version}`).join('\n'),
  };
}

function installedPackages(): ReadonlyMap<string, Package> {
  const format = '${db:Status-Status}\t${Package}\t${Version}\t${Pre-Depends}, ${Depends}\t${Provides}\n';
  const printed = execFileSync('dpkg-query', ['-W', '-f', format], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const nameIn = (text: string): string => /^[^\s:(]*/.exec(text.trim())![0];
  return new Map(
    printed
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([status]) => status === 'installed')
      .map(([, name, version, depends, provides]) => [
        name!,
        {
          version: version!,
          depends: depends!.split(',').map((alternatives) => alternatives.split('|').map(nameIn)),
          provides: provides!.split(',').map(nameIn),
        },
      ]),
  );
}

/** Packages say /lib/x where /lib is a link to /usr/lib: an archive with such a path would replace the link. */
function placeOf(listed: string): readonly string[] {
  if (!listed.startsWith('/') || listed === '/.' || !existsSync(listed)) return [];
  const place = join(realpathSync(dirname(listed)), basename(listed)).slice(1);
  return leftOut.test(place) ? [] : [place];
}

/** Links such as /usr/bin/awk, which no package lists, with their targets below /etc/alternatives. */
function alternativesFor(paths: ReadonlySet<string>): readonly string[] {
  const folder = '/var/lib/dpkg/alternatives';
  return readdirSync(folder).flatMap((name) => {
    const [head = ''] = readFileSync(join(folder, name), 'utf8').split('\n\n');
    const lines = head.split('\n').slice(1);
    // A name and the place of its link by turns, but that the first name is the file's own.
    const links = [[name, lines[0]!], ...pairs(lines.slice(1))];
    return links.flatMap(([alternative, link]) => {
      const chosen = join('/etc/alternatives', alternative);
      if (!existsSync(chosen) || !isLink(link)) return [];
      const target = realpathSync(chosen).slice(1);
      return paths.has(target) ? [...placeOf(link), chosen.slice(1)] : [];
    });
  });
}

function pairs(lines: readonly string[]): (readonly [string, string])[] {
  return lines.flatMap((line, index) => (index % 2 === 0 ? [[line, lines[index + 1] ?? ''] as const] : []));
}

function isLink(path: string): boolean {
  return existsSync(path) && lstatSync(path).isSymbolicLink();
}
