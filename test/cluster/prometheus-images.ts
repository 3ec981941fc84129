/** Prometheus and its adapter for Kubernetes: images that nodes can pull, or of the programs that this machine has. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tools } from '../../scripts/services/tools.mjs';
import { bringToNodes, nowhere, pulled, type Wanted } from './chart-images.js';
import { machineImage, tagOf, type MachineImage } from './machine-image.js';

const programs = ['prometheus', 'prometheus-adapter'] as const;
type Program = (typeof programs)[number];

const published: Readonly<Record<Program, string>> = {
  prometheus: process.env['DRAY_TEST_PROMETHEUS_IMAGE'] ?? 'quay.io/prometheus/prometheus:v3.5.0',
  'prometheus-adapter':
    process.env['DRAY_TEST_ADAPTER_IMAGE'] ?? 'registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0',
};

/** What the images are made of and `node scripts/setup.mjs --prometheus` gets: where it is not there, there are none. */
export const absentPrograms = pulled ? [] : programs.filter((name) => found(name) === undefined);

function found(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), tools];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** @returns their names, once the nodes have them or can get them. */
export async function prometheusImages(): Promise<Readonly<Record<Program, string>>> {
  if (pulled) return published;
  const names = { ...published };
  const wanted = programs.map((program): Wanted => {
    const recipe: MachineImage = {
      programs: { [program]: found(program)! },
      user: '1000:1000',
      entrypoint: [program],
    };
    const name = `${nowhere}/${program}:${tagOf(recipe)}`;
    names[program] = name;
    return {
      names: [name],
      make: async (folder, base) => [await machineImage({ folder, base, name, as: program, ...recipe })],
    };
  });
  await bringToNodes(wanted);
  return names;
}
