/**
 * Where a host's name leads. Dray looks once, judges every address that it gets, and connects to one of these: a name
 * that says something else a moment later leads nowhere.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';

export type Addresses = readonly LookupAddress[];

/** All addresses of a name; rejects where there is none. */
export type Lookup = (host: string) => Promise<Addresses>;

const lookupMs = 3_000;

/** Nobody has a bucket here, whatever an operator allows: what answers at some of these gives out a machine's rights. */
const forbidden = blockList([
  ['0.0.0.0', 8], // this host
  ['169.254.0.0', 16], // link-local, with the metadata of most clouds
  ['100.100.100.200', 32], // metadata of Alibaba Cloud
  ['168.63.129.16', 32], // the platform of Azure
  ['224.0.0.0', 3], // multicast, reserved, broadcast
  ['::', 128],
  ['fe80::', 10], // link-local
  ['ff00::', 8], // multicast
  ['fd00:ec2::', 32], // metadata of AWS
  ['fd20:ce::254', 128], // metadata of Google Cloud
]);
const loopback = blockList([
  ['127.0.0.0', 8],
  ['::1', 128],
]);
/** Of a translator's own choice where an IPv4 address stands in it, but for the part in which it comes last. */
const translators = blockList([['64:ff9b:1::', 48]]);
const legible = blockList([['64:ff9b:1::', 96]]);

/**
 * @param named whether the operator has named the host itself: a whole domain says nothing of this machine's own ports.
 * @returns what the address is, where no bucket may be there.
 */
export function unfit(address: string, named: boolean): string | undefined {
  const version = isIP(address);
  if (version === 0) return 'no address';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (forbidden.check(address, family)) return 'a link-local, metadata or reserved address';
  if (translators.check(address, family) && !legible.check(address, family))
    return 'a translated address, of which nobody can say where it leads';
  return !named && loopback.check(address, family) ? 'an address of the machine itself' : undefined;
}

export class Resolver {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  /** A name is asked for once at a time: each question holds a thread for as long as the name server is silent. */
  readonly #asked = new Map<string, Promise<Addresses>>();

  /** @param params.lookup by default the machine's own. */
  constructor(params: { clock: Clock; lookup?: Lookup }) {
    this.#clock = params.clock;
    this.#lookup = params.lookup ?? ((host) => systemLookup(host, { all: true }));
  }

  /**
   * The addresses of a host, at least one, each of them fit.
   * @throws DrayError `bucket-not-allowed` where one is not; `unavailable` where the name leads nowhere, or not in time.
   */
  async addressesOf(params: { host: string; named: boolean; field: string }): Promise<Addresses> {
    const { host, named, field } = params;
    const version = isIP(host);
    const addresses = version === 0 ? await this.#resolve(host) : [{ address: host, family: version }];
    for (const { address } of addresses) {
      const what = unfit(address, named);
      if (what === undefined) continue;
      throw new DrayError('bucket-not-allowed', `${field}: ${host} leads to ${address}, ${what}`, { field });
    }
    return addresses;
  }

  async #resolve(host: string): Promise<Addresses> {
    const ended = new AbortController();
    const unknown = (why: string, cause?: unknown): DrayError =>
      new DrayError('unavailable', `the name ${host} ${why}`, { cause });
    const late = this.#clock.sleep(lookupMs, ended.signal).then(() => {
      throw unknown(`was not resolved within ${lookupMs / 1_000} s`);
    });
    try {
      const addresses = await Promise.race([this.#ask(host), late]);
      if (addresses.length > 0) return addresses;
    } catch (error) {
      throw error instanceof DrayError ? error : unknown('cannot be resolved', error);
    } finally {
      ended.abort();
    }
    throw unknown('has no address');
  }

  #ask(host: string): Promise<Addresses> {
    const asked = this.#asked.get(host);
    if (asked) return asked;
    const asking = this.#lookup(host).finally(() => this.#asked.delete(host));
    this.#asked.set(host, asking);
    return asking;
  }
}

/** For sockets: whatever is asked for, it is at these addresses. */
export function pinnedTo(addresses: Addresses): LookupFunction {
  return (_host, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first!.address, first!.family);
  };
}

function blockList(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, bits] of networks) {
    if (network.includes(':')) {
      list.addSubnet(network, bits, 'ipv6');
      continue;
    }
    list.addSubnet(network, bits, 'ipv4');
    for (const [form, before] of formsOf(network)) list.addSubnet(form, before + bits, 'ipv6');
  }
  return list;
}

/** An IPv4 address as translators take it, and how many bits come before it. The list itself knows ::ffff:0:0/96. */
function formsOf(address: string): readonly (readonly [string, number])[] {
  const [a, b, c, d] = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return [
    [`64:ff9b::${address}`, 96],
    [`64:ff9b:1::${address}`, 96],
    [`2002:${a}${b}:${c}${d}::`, 16],
    // Of 0.0.0.0/8 it would be ::1 too, which is an address in its own right.
    ...(a === '00' ? [] : [[`::${address}`, 96] as const]),
  ];
}
