/**
 * What each kind of object may look like, as files for kubeconform: Kubernetes' own from the cluster that KUBECONFIG
 * names, KEDA's and Prometheus's operator's from their makers' definitions. All are strict: what is not in them is an
 * error.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { definitionModules, definitions } from '../../scripts/services/tools.mjs';
import { systemClock } from '../../src/clock.js';
import { connect } from '../../src/kubernetes/api.js';

/** Where `writeSchemas` has put that of a kind, as kubeconform writes such places. */
export const schemaLocation = (folder: string): string =>
  join(folder, '{{ .ResourceKind }}{{ .KindSuffix }}.json');

interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const files: readonly string[] = Object.values(definitionModules).flat();
/** False where `node scripts/setup.mjs --kubernetes` has not got the definitions of others. */
export const hasDefinitions = files.every((file) => existsSync(join(definitions, basename(file))));

/** @param folder is made. */
export async function writeSchemas(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const api = await connect({ namespace: 'default', clock: systemClock });
  const known = await api
    .get<{ definitions: Readonly<Record<string, Schema>> }>('/openapi/v2')
    .finally(() => api.close());
  const all = Object.entries(known.definitions);
  const strictly = Object.fromEntries(all.map(([name, schema]) => [name, special(name) ?? strict(schema)]));
  await writeFile(join(folder, 'all.json'), JSON.stringify({ definitions: strictly }));
  for (const [name, schema] of all) {
    for (const kind of (schema['x-kubernetes-group-version-kind'] ?? []) as readonly Kind[])
      await write(folder, kind, { $ref: `all.json#/definitions/${name}` });
  }
  for (const file of files) {
    const { spec } = loadYaml<{
      spec: {
        group: string;
        names: { kind: string };
        versions: { name: string; schema: { openAPIV3Schema: Schema } }[];
      };
    }>(await readFile(join(definitions, basename(file)), 'utf8'));
    for (const { name, schema } of spec.versions) {
      const kind = { group: spec.group, version: name, kind: spec.names.kind };
      await write(folder, kind, strict(schema.openAPIV3Schema));
    }
  }
}

function write(folder: string, { group, version, kind }: Kind, schema: Schema): Promise<void> {
  const place = [kind, ...(group === '' ? [] : [group.split('.')[0]!]), version].join('-').toLowerCase();
  return writeFile(join(folder, `${place}.json`), JSON.stringify(schema));
}

const oneOrOther = (...types: readonly string[]): Schema => ({ type: types });

/** Those that may be written in two ways, which OpenAPI 2 cannot say. */
function special(name: string): Schema | undefined {
  if (name.endsWith('.resource.Quantity')) return oneOrOther('string', 'number');
  if (name.endsWith('.intstr.IntOrString')) return oneOrOther('string', 'integer');
  return undefined;
}

/** The same without extensions, and with no other properties than those that it names. */
function strict(schema: Schema): Schema {
  if (schema['x-kubernetes-int-or-string'] === true || schema['format'] === 'int-or-string')
    return oneOrOther('string', 'integer');
  const { properties, ...rest } = schema;
  const keywords = Object.entries(rest)
    .filter(([keyword]) => !keyword.startsWith('x-kubernetes-'))
    .map(([keyword, value]) => [keyword, deeply(keyword, value)]);
  const plain = Object.fromEntries(keywords) as Schema;
  if (properties === undefined) return plain;
  const open = 'additionalProperties' in schema || schema['x-kubernetes-preserve-unknown-fields'] === true;
  return {
    ...plain,
    properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, strict(value)])),
    ...(!open && { additionalProperties: false }),
  };
}

function deeply(keyword: string, value: unknown): unknown {
  if (keyword === '$ref') return (value as string).replace('#/', 'all.json#/');
  if (Array.isArray(value) && ['allOf', 'anyOf', 'oneOf'].includes(keyword))
    return (value as Schema[]).map(strict);
  if (
    ['items', 'additionalProperties', 'not'].includes(keyword) &&
    typeof value === 'object' &&
    value !== null
  )
    return strict(value as Schema);
  return value;
}
