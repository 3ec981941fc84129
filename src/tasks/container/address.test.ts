import { once } from 'node:events';
import { createServer, connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../clock.js';
import { ManualClock } from '../../../test/support/manual-clock.js';
import { pinnedTo, Resolver, unfit, type Lookup } from './address.js';

const family = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 });
const answering =
  (...addresses: string[]): Lookup =>
  () =>
    Promise.resolve(addresses.map(family));
const ask = (lookup: Lookup, named = true) =>
  new Resolver({ clock: systemClock, lookup }).addressesOf({
    host: 'minio.example',
    named,
    field: 'input.x',
  });

describe('the addresses of a bucket', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '169.254.170.2',
    '0.0.0.0',
    '0.1.2.3',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '::ffff:0.0.0.0',
    '::169.254.169.254',
    '64:ff9b::169.254.169.254',
    '64:ff9b::100.100.100.200',
    '64:ff9b::168.63.129.16',
    '64:ff9b::224.0.0.1',
    '64:ff9b::0.0.0.0',
    '64:ff9b:1::169.254.169.254',
    '64:ff9b:1::100.100.100.200',
    '64:ff9b:1:a9fe:a9:fe00::',
    '64:ff9b:1:fffe::169.254.169.254',
    '::240.0.0.1',
    '2002:a9fe:a9fe::1',
    '2002:6464:64c8::1',
    'fe80::1',
    'febf::1',
    'ff02::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    'no address',
    '',
  ])('are never %s', (address) => expect(unfit(address, true)).toBeDefined());

  it.each([
    '10.0.0.1',
    '192.168.1.1',
    '172.16.0.1',
    '8.8.8.8',
    'fd00::5',
    '2001:db8::1',
    '169.253.255.255',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::10.0.0.1',
  ])('may be %s', (address) => expect(unfit(address, false)).toBeUndefined());

  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '64:ff9b::127.0.0.1'])(
    'are %s only where the operator has named the host',
    (address) => {
      expect(unfit(address, true)).toBeUndefined();
      expect(unfit(address, false)).toMatch('the machine itself');
    },
  );

  it('are refused where one of several is not fit', async () => {
    const refused = ask(answering('93.184.216.34', '::ffff:169.254.169.254'));
    await expect(refused).rejects.toMatchObject({ code: 'bucket-not-allowed', field: 'input.x' });
  });

  it('are asked for once at a time', async () => {
    let asked = 0;
    let answer: (addresses: ReturnType<typeof family>[]) => void = () => undefined;
    const lookup: Lookup = () => {
      asked += 1;
      return new Promise((resolve) => (answer = resolve));
    };
    const resolver = new Resolver({ clock: systemClock, lookup });
    const params = { host: 'minio.example', named: true, field: 'x' };
    const both = Promise.all([resolver.addressesOf(params), resolver.addressesOf(params)]);
    answer([family('10.0.0.1')]);
    expect(await both).toEqual([[family('10.0.0.1')], [family('10.0.0.1')]]);
    expect(asked).toBe(1);
    const later = resolver.addressesOf(params);
    expect(asked).toBe(2);
    answer([family('10.0.0.2')]);
    expect(await later).toEqual([family('10.0.0.2')]);
  });

  it('are unavailable where the name leads nowhere, or is not resolved in time', async () => {
    await expect(ask(answering())).rejects.toMatchObject({ code: 'unavailable' });
    const failing = ask(() => Promise.reject(new Error('ENOTFOUND')));
    await expect(failing).rejects.toMatchObject({ code: 'unavailable' });
    const clock = new ManualClock();
    const resolver = new Resolver({ clock, lookup: () => new Promise(() => undefined) });
    const silent = resolver.addressesOf({ host: 'x', named: true, field: 'x' });
    const said = expect(silent).rejects.toThrow('was not resolved within 3 s');
    clock.advance(3_000);
    await said;
  });

  it('of this machine’s own names come from its resolver', async () => {
    const resolver = new Resolver({ clock: systemClock });
    const found = await resolver.addressesOf({ host: 'localhost', named: true, field: 'x' });
    expect(found.map(({ address }) => address)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^127\.|^::1$/)]),
    );
  });
});

describe('a socket', () => {
  it('goes to the address that was judged, whatever its name says', async () => {
    const server = createServer((socket) => socket.end('here'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: 'no-such-host.invalid', port, lookup: pinnedTo([family('127.0.0.1')]) });
    const [said] = (await once(socket, 'data')) as [Buffer];
    expect(said.toString()).toBe('here');
    server.close();
  });
});
