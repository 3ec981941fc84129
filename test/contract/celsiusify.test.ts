/** Celsiusify as its clients call it, held against what the FastAPI service says. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { curl, python } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const convert = (query: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${server.url}/convert/${query && `?${query}`}`, init);

interface Conversion {
  celsius: string;
  app_identifier: string;
}

/** What FastAPI's app answered, printed by itself. */
const taken: readonly [query: string, celsius: string][] = [
  ['fahrenheit=451.0', '232.777778'],
  ['fahrenheit=451', '232.777778'],
  ['fahrenheit=-40', '-40.000000'],
  ['fahrenheit=32', '0.000000'],
  ['fahrenheit=-459.67', '-273.150000'],
  ['fahrenheit=0', '-17.777778'],
  ['fahrenheit=-0', '-17.777778'],
  ['fahrenheit=98.6', '37.000000'],
  ['fahrenheit=33.8', '1.000000'],
  ['fahrenheit=32.0000009', '0.000001'],
  ['fahrenheit=%2B5', '-15.000000'],
  ['fahrenheit=+5', '-15.000000'],
  ['fahrenheit=%20%205%20', '-15.000000'],
  ['fahrenheit=%095%0A', '-15.000000'],
  ['fahrenheit=%C2%855', '-15.000000'],
  ['fahrenheit=5%E2%80%83', '-15.000000'],
  ['fahrenheit=1e3', '537.777778'],
  ['fahrenheit=1E3', '537.777778'],
  ['fahrenheit=1e%2B3', '537.777778'],
  ['fahrenheit=1e-400', '-17.777778'],
  ['fahrenheit=.5', '-17.500000'],
  ['fahrenheit=5.', '-15.000000'],
  ['fahrenheit=1.e2', '37.777778'],
  ['fahrenheit=00012', '-11.111111'],
  ['fahrenheit=1_000', '537.777778'],
  ['fahrenheit=1_000.0_1', '537.783333'],
  ['fahrenheit=-_5', '-20.555556'],
  ['fahrenheit=5_e_3', '2760.000000'],
  ['fahrenheit=9007199254740993', '5003999585967200.000000'],
  ['fahrenheit=123456789012345678901234567890', '68587105006858714818784788480.000000'],
  ['fahrenheit=1e22', '5555555555555554623488.000000'],
  ['fahrenheit=-1e30', '-555555555555555527508822589440.000000'],
  ['fahrenheit=5e-324', '-17.777778'],
  ['a=1&fahrenheit=5&b', '-15.000000'],
  ['fahrenheit=1&fahrenheit=2', '-16.666667'],
  ['fahrenheit=x&fahrenheit=2', '-16.666667'],
  ['%66ahrenheit=%35', '-15.000000'],
  ['&&fahrenheit=5&', '-15.000000'],
];

const refused: readonly [query: string, type: string, input: string | null][] = [
  ['', 'missing', null],
  ['fahrenheit', 'float_parsing', ''],
  ['Fahrenheit=5', 'missing', null],
  ['fahrenheit[]=5', 'missing', null],
  ['=5', 'missing', null],
  ['fahrenheit=', 'float_parsing', ''],
  ['fahrenheit=%20', 'float_parsing', ' '],
  ['fahrenheit=.', 'float_parsing', '.'],
  ['fahrenheit=+', 'float_parsing', ' '],
  ['fahrenheit=0x10', 'float_parsing', '0x10'],
  ['fahrenheit=1,5', 'float_parsing', '1,5'],
  ['fahrenheit=1.5.2', 'float_parsing', '1.5.2'],
  ['fahrenheit=1e', 'float_parsing', '1e'],
  ['fahrenheit=e5', 'float_parsing', 'e5'],
  ['fahrenheit=--5', 'float_parsing', '--5'],
  ['fahrenheit=1e+3', 'float_parsing', '1e 3'],
  ['fahrenheit=1__000', 'float_parsing', '1__000'],
  ['fahrenheit=_1', 'float_parsing', '_1'],
  ['fahrenheit=1_', 'float_parsing', '1_'],
  ['fahrenheit=%201_000', 'float_parsing', ' 1_000'],
  ['fahrenheit=true', 'float_parsing', 'true'],
  ['fahrenheit=infin', 'float_parsing', 'infin'],
  ['fahrenheit=%D9%A3', 'float_parsing', '\u0663'],
  ['fahrenheit=%EF%BC%95', 'float_parsing', '\uff15'],
  ['fahrenheit=%1F5', 'float_parsing', '\u001f5'],
  ['fahrenheit=%EF%BB%BF5', 'float_parsing', '\ufeff5'],
  ['fahrenheit=5%00', 'float_parsing', '5\u0000'],
  ['fahrenheit=5%zz', 'float_parsing', '5%zz'],
  ['fahrenheit=%25', 'float_parsing', '%'],
  ['fahrenheit=%FF', 'float_parsing', '\ufffd'],
  ['fahrenheit=%E2%82', 'float_parsing', '\ufffd'],
  ['fahrenheit=%F0%9F%98%80', 'float_parsing', '\ud83d\ude00'],
  ['fahrenheit=abc%22%5C', 'float_parsing', 'abc"\\'],
  ['fahrenheit=nan', 'finite_number', 'nan'],
  ['fahrenheit=-NaN', 'finite_number', '-NaN'],
  ['fahrenheit=inf', 'finite_number', 'inf'],
  ['fahrenheit=%2BInfinity', 'finite_number', '+Infinity'],
  ['fahrenheit=in_f', 'finite_number', 'in_f'],
  ['fahrenheit=1e400', 'finite_number', '1e400'],
  ['fahrenheit=-1e400', 'finite_number', '-1e400'],
  ['fahrenheit=2&fahrenheit=x', 'float_parsing', 'x'],
  ['fahrenheit=5&fahrenheit', 'float_parsing', ''],
  ['fahrenheit==5', 'float_parsing', '=5'],
  ['fahrenheit=5;x=1', 'float_parsing', '5;x=1'],
];

const messages: Readonly<Record<string, string>> = {
  missing: 'Field required',
  float_parsing: 'Input should be a valid number, unable to parse string as a number',
  finite_number: 'Input should be a finite number',
};

describe('Celsiusify', () => {
  it('answers its clients’ literal call', async () => {
    const answer = await curl(`${server.url}/convert/?fahrenheit=451.0`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.text).toMatch(
      /^{"celsius":"232.777778","app_identifier":"[A-Za-z0-9]{8}(-[A-Za-z0-9]{8}){3}"}$/,
    );
  });

  it('answers Python, and the same without the slash', async () => {
    const script = `
import json, sys, urllib.request
for path in ('/convert/', '/convert'):
    print(json.load(urllib.request.urlopen(sys.argv[1] + path + '?fahrenheit=98.6'))['celsius'])
`;
    expect(await python(script, server.url)).toBe('37.000000\n37.000000');
  });

  it.each(taken)('converts %j', async (query, celsius) => {
    const response = await convert(query);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ celsius });
  });

  it.each(refused)('refuses %j', async (query, type, input) => {
    const response = await convert(query);
    expect(response.status).toBe(422);
    const detail = [{ type, loc: ['query', 'fahrenheit'], msg: messages[type], input }];
    expect(await response.text()).toBe(JSON.stringify({ detail }));
  });

  it('refuses in the very bytes of FastAPI', async () => {
    expect(await (await convert('')).text()).toBe(
      '{"detail":[{"type":"missing","loc":["query","fahrenheit"],"msg":"Field required","input":null}]}',
    );
    expect(await (await convert('fahrenheit=abc%22%5C')).text()).toBe(
      '{"detail":[{"type":"float_parsing","loc":["query","fahrenheit"],"msg":"Input should be a valid number, ' +
        'unable to parse string as a number","input":"abc\\"\\\\"}]}',
    );
    expect(await (await convert('fahrenheit=-inf')).text()).toBe(
      '{"detail":[{"type":"finite_number","loc":["query","fahrenheit"],"msg":"Input should be a finite number",' +
        '"input":"-inf"}]}',
    );
  });

  it('has a number where five times the temperature overflows', async () => {
    const { celsius } = (await (await convert('fahrenheit=1.7e308')).json()) as Conversion;
    expect(Number(celsius)).toBeCloseTo((1.7e308 / 9) * 5, -300);
    expect(celsius).toMatch(/^94\d{306}\.000000$/);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('has no %s', async (method) => {
    const body = method === 'POST' ? { body: 'x'.repeat(100_000) } : {};
    const response = await convert('fahrenheit=1', { method, ...body });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET');
    expect(await response.text()).toBe('{"detail":"Method Not Allowed"}');
  });

  it.each([
    ['POST', 405],
    ['GET', 200],
  ])('cuts the connection of a client that goes on with the body of a %s', async (method, status) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const cut = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined); // writing on goes wrong once the connection is cut
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.write(
      `${method} /convert/?fahrenheit=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n`,
    );
    let open = true;
    const trickle = async (): Promise<void> => {
      while (open) {
        socket.write('x');
        await systemClock.sleep(50);
      }
    };
    const trickling = trickle();
    await cut;
    open = false;
    await trickling;
    expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('has no HEAD', async () => {
    expect((await convert('fahrenheit=1', { method: 'HEAD' })).status).toBe(405);
  });

  it('keeps its identifier for the life of the process', async () => {
    const identifierAt = async (url: string): Promise<string> =>
      ((await (await fetch(`${url}/convert/?fahrenheit=1`)).json()) as Conversion).app_identifier;
    const first = await identifierAt(server.url);
    expect(await identifierAt(server.url)).toBe(first);
    const other = await startServer();
    try {
      expect(await identifierAt(other.url)).not.toBe(first);
    } finally {
      await other.stop();
    }
  });

  it('serves this machine only', async () => {
    const answer = await curl('-H', 'Host: example.com', `${server.url}/convert/?fahrenheit=1`);
    expect(answer.status).toBe(421);
    expect(answer.json()).toEqual({ detail: expect.stringContaining('example.com') as unknown });
  });

  it('makes no job and no log line, but is measured', async () => {
    const count = async (): Promise<number> => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const series =
        /^dray_http_request_duration_seconds_count{(?=.*method="GET")(?=.*route="\/convert\/")(?=.*status="200").*} (\d+)$/m;
      return Number(series.exec(text)?.[1] ?? 0);
    };
    const before = await count();
    for (let i = 0; i < 5; i++) await (await convert('fahrenheit=7.25')).text();
    expect(await count()).toBe(before + 5);
    expect(await (await fetch(`${server.url}/v1/jobs`)).json()).toMatchObject({ jobs: [] });
    await fetch(`${server.url}/nowhere`); // is logged, after all that came before it
    await eventually(
      () => server.output(),
      (output) => output.includes('/nowhere'),
    );
    expect(server.output()).not.toContain('/convert');
  });
});
