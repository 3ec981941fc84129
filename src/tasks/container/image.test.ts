import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageText, isAllowed, parseImage, parseImagePattern } from './image.js';

const whole = (text: string): string | undefined => {
  const image = parseImage(text);
  return image && imageText(image);
};
const sha = `sha256:${'a'.repeat(64)}`;

describe('the name of an image', () => {
  it.each([
    ['python', 'docker.io/library/python:latest'],
    ['python:3.13', 'docker.io/library/python:3.13'],
    ['mstc/python-test:latest', 'docker.io/mstc/python-test:latest'],
    ['docker.io/python', 'docker.io/library/python:latest'],
    ['index.docker.io/mstc/x', 'docker.io/mstc/x:latest'],
    ['localhost/x', 'localhost/x:latest'],
    ['registry:5000/a/b_c/d--e.f:V1_0', 'registry:5000/a/b_c/d--e.f:V1_0'],
    ['GHCR.io/team/x', 'ghcr.io/team/x:latest'],
    [`ghcr.io/team/x@${sha}`, `ghcr.io/team/x@${sha}`],
    [`x:tag@${sha}`, `docker.io/library/x@${sha}`],
  ])('%s is %s', (text, expected) => expect(whole(text)).toBe(expected));

  it.each([
    '',
    ' python',
    'python ',
    'https://ghcr.io/x',
    'Python',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:b:c',
    ':tag',
    '@' + sha,
    'x@sha256:12',
    `x@${sha}@${sha}`,
    'x:-tag',
    'oci:/etc/passwd',
    'docker-archive:/x',
    'host:port/x',
    '-x',
    '--privileged',
    'x y',
    'x\n',
    'ghcr.io/a*',
    'é/x',
    '[::1]:5000/x',
    `a/${'b'.repeat(256)}`,
    'a'.repeat(513),
  ])('cannot be %j', (text) => expect(parseImage(text)).toBeUndefined());

  it('stays as it is once it is whole', () => {
    const part = fc.stringMatching(/^[a-z\d]{1,8}([._-][a-z\d]{1,4})?$/);
    const registry = fc.constantFrom('', 'ghcr.io/', 'localhost/', 'Host:5000/', 'docker.io/');
    const end = fc.constantFrom('', ':1.2', `@${sha}`, `:x@${sha}`);
    const text = fc
      .tuple(registry, fc.array(part, { minLength: 1, maxLength: 4 }), end)
      .map(([host, parts, tail]) => `${host}${parts.join('/')}${tail}`);
    fc.assert(
      fc.property(text, (given) => {
        const once = whole(given);
        expect(once).toBeDefined();
        expect(whole(once!)).toBe(once);
      }),
    );
  });

  it('is taken apart in bounded time whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), (text) => {
        const once = whole(text);
        if (once !== undefined) expect(once).toMatch(/^[\w.:/@-]+$/);
      }),
    );
    expect(parseImage(`${'a-'.repeat(200)}!`)).toBeUndefined();
  });
});

describe('patterns of images', () => {
  const allows = (pattern: string, image: string): boolean =>
    isAllowed(parseImage(image)!, [parseImagePattern(pattern)!]);

  it.each([
    ['python', 'python:3.13'],
    ['python', 'docker.io/library/python'],
    ['python*', 'python-slim'],
    ['mstc/*', 'docker.io/mstc/python-test:latest'],
    ['mstc/*', 'mstc/team/deep'],
    ['docker.io/*', 'python'],
    ['docker.io/*', 'mstc/x'],
    ['ghcr.io/team/work', 'ghcr.io/team/work:1'],
    ['ghcr.io/team/work', `ghcr.io/team/work@${sha}`],
    ['ghcr.io/*/work', 'ghcr.io/team/work'],
    ['ghcr.io/team/w*k:1.*', 'ghcr.io/team/work:1.2'],
    ['python:latest', 'python'],
    [`python@${sha}`, `python@${sha}`],
    ['host:5000/x', 'HOST:5000/x'],
  ])('%s allows %s', (pattern, image) => expect(allows(pattern, image)).toBe(true));

  it.each([
    ['python', 'mstc/python'],
    ['python', 'python-slim'],
    ['mstc/*', 'mstc'],
    ['mstc/*', 'mstcx/y'],
    ['mstc/*', 'evil.example/mstc/x'],
    ['docker.io/*', 'ghcr.io/x'],
    ['ghcr.io/*/work', 'ghcr.io/a/b/work'],
    ['ghcr.io/team/w*k', 'ghcr.io/team/w/k'],
    ['ghcr.io/team/work:1.*', 'ghcr.io/team/work:10'],
    ['ghcr.io/team/work:1.*', `ghcr.io/team/work:1.2@${sha}`],
    ['ghcr.io/te.m/x', 'ghcr.io/team/x'],
    ['host:5000/x', 'host:5001/x'],
    [`python@${sha}`, 'python'],
  ])('%s does not allow %s', (pattern, image) => expect(allows(pattern, image)).toBe(false));

  it.each([
    '*',
    '',
    'https://ghcr.io/*',
    '*.example/x',
    'ghcr.io/',
    'a b',
    'x:',
    'x@sha256:*',
    'ghcr.io/a/**/ b',
  ])('are not %j', (text) => expect(parseImagePattern(text)).toBeUndefined());
});
