/** The job type `start-end`: notes which worker ran it. What it stands for is simulated, by holding a slot. */
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { Type, type Static } from 'typebox';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { KiB, limits } from '../jobs/limits.js';
import { holdSlot } from './hold-slot.js';
import { defineTask } from './task.js';

export const startEndType = 'start-end';

/** Of each text, in characters. */
export const longestText = 4_096;

const Text = Type.String({ maxLength: longestText });
const Input = Type.Object({ start: Text, end: Text }, { additionalProperties: false });
export type StartEndInput = Static<typeof Input>;

const Output = Type.Object({
  worker: Type.String({ description: 'The IPv4 address of the machine that ran the job.' }),
});
export type StartEndOutput = Static<typeof Output>;

type Interfaces = Readonly<Partial<Record<string, readonly NetworkInterfaceInfo[]>>>;

/** @param options.simulateSeconds how long a job holds its slot, without using the CPU; 0 ends it at once. */
export function createStartEnd(options: {
  simulateSeconds: number;
  clock: Clock;
  addresses?: () => Interfaces;
}) {
  const { simulateSeconds, clock, addresses = networkInterfaces } = options;
  return defineTask({
    type: startEndType,
    description: 'Takes a start and an end, holds its slot where work is simulated, and notes its worker.',
    input: Input,
    output: Output,
    admit: (input) => {
      refuseLarge(input);
      return Promise.resolve(input);
    },
    run: async (_input, context) => {
      await holdSlot(simulateSeconds, context, clock);
      return { worker: outwardAddress(addresses()) };
    },
  });
}

/** The first IPv4 address by which others reach this machine, or loopback where there is none. */
export function outwardAddress(interfaces: Interfaces): string {
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** Control characters take six bytes each as JSON; lists of jobs rely on every input being in its record. */
function refuseLarge(input: StartEndInput): void {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= limits.inlinePayload) return;
  throw new DrayError(
    'limit-exceeded',
    `start and end have ${bytes} bytes together as JSON, the limit is ${limits.inlinePayload / KiB} KiB`,
  );
}
