/** Names of images, and the patterns by which an operator allows some of them. */

/** The longest that is taken, in characters. */
export const longestImage = 512;

/** An image's whole name: what a short one leaves out is filled in, so that every runtime takes it from the same place. */
export interface ImageName {
  /** In lower case, such as docker.io or registry.example:5000. */
  readonly registry: string;
  /** Such as library/python. */
  readonly repository: string;
  /** Absent where a digest says which one. */
  readonly tag?: string;
  readonly digest?: string;
}

/** An ImageName in which `*` stands for anything within a part, and as the last part for all that follows. */
export interface ImagePattern {
  readonly registry: string;
  readonly repository: RegExp;
  /** Absent: any. An image by digest has no tag that anybody looks at, so none of these allows it. */
  readonly tag?: RegExp;
  readonly digest?: string;
}

const dockerHub = 'docker.io';
const longestRepository = 255;
const label = '[a-z\\d](?:[a-z\\d-]*[a-z\\d])?';
const registryForm = new RegExp(`^${label}(?:\\.${label})*(?::\\d{1,5})?$`);
const partForm = /^[a-z\d]+(?:(?:\.|__?|-+)[a-z\d]+)*$/;
const tagForm = /^\w[\w.-]{0,127}$/;
const digestForm = /^[a-z\d]+(?:[+._-][a-z\d]+)*:[\da-f]{32,128}$/;

/** Undefined where the text is no name that an image can have. */
export function parseImage(text: string): ImageName | undefined {
  if (text.length > longestImage) return undefined;
  const { registry, repository, tag, digest } = split(text);
  const parts = repository.split('/');
  if (!registryForm.test(registry) || repository.length > longestRepository) return undefined;
  if (!parts.every((part) => partForm.test(part))) return undefined;
  if (tag !== undefined && !tagForm.test(tag)) return undefined;
  if (digest !== undefined) return digestForm.test(digest) ? { registry, repository, digest } : undefined;
  return { registry, repository, tag: tag ?? 'latest' };
}

export function imageText({ registry, repository, tag, digest }: ImageName): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`}`;
}

/** Undefined where the text is no pattern; one for whole registries, such as `*`, is none. */
export function parseImagePattern(text: string): ImagePattern | undefined {
  const { registry, repository, tag, digest } = split(text);
  const parts = repository.split('/');
  if (text === '*' || !registryForm.test(registry)) return undefined;
  if (!parts.every((part) => /^[a-z\d._*-]+$/.test(part))) return undefined;
  if (tag !== undefined && !/^[\w.*-]{1,128}$/.test(tag)) return undefined;
  if (digest !== undefined && !digestForm.test(digest)) return undefined;
  const below = parts.at(-1) === '*';
  const source = (below ? parts.slice(0, -1) : parts).map((part) => `${anyFor(part)}/`).join('');
  return {
    registry,
    repository: new RegExp(`^${below ? `${source}.+` : source.slice(0, -1)}$`),
    ...(tag !== undefined && { tag: new RegExp(`^${anyFor(tag)}$`) }),
    ...(digest !== undefined && { digest }),
  };
}

export function isAllowed(image: ImageName, patterns: readonly ImagePattern[]): boolean {
  return patterns.some(({ registry, repository, tag, digest }) => {
    if (registry !== image.registry || !repository.test(image.repository)) return false;
    if (digest !== undefined) return digest === image.digest;
    return tag === undefined || (image.tag !== undefined && tag.test(image.tag));
  });
}

/** The text of a regular expression for a part of a pattern. */
function anyFor(part: string): string {
  return part.replace(/[.+]/g, '\\$&').replaceAll('*', '[^/]*');
}

/** By the rules of docker's own short names: what stands before the first slash is a registry where it looks like one. */
function split(text: string): { registry: string; repository: string; tag?: string; digest?: string } {
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(0, slash));
  const isRegistry = /[.:A-Z]/.test(first) || first === 'localhost';
  const registry = isRegistry ? first.toLowerCase().replace(/^index\.docker\.io$/, dockerHub) : dockerHub;
  const rest = isRegistry ? path.slice(slash + 1) : path;
  return {
    registry,
    repository: registry === dockerHub && /^[^/]+$/.test(rest) && rest !== '*' ? `library/${rest}` : rest,
    ...(colon >= 0 && { tag: named.slice(colon + 1) }),
    ...(at >= 0 && { digest: text.slice(at + 1) }),
  };
}
