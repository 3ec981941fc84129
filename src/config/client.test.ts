import { describe, expect, it } from 'vitest';
import { AddressError, apiKey, coloursUnwanted, serverAddress } from './client.js';

describe('the server address', () => {
  it('prefers the flag to the variable, and the variable to the default', () => {
    const env = { DRAY_SERVER: 'http://variable:1' };
    expect(serverAddress('http://flag:2', env).href).toBe('http://flag:2/');
    expect(serverAddress(undefined, env).href).toBe('http://variable:1/');
    expect(serverAddress(undefined, {}).href).toBe('http://127.0.0.1:8080/');
    expect(serverAddress(undefined, { DRAY_SERVER: '' }).href).toBe('http://127.0.0.1:8080/');
  });

  it.each([
    ['localhost:9000', 'http://localhost:9000/'],
    ['10.0.0.7:80', 'http://10.0.0.7/'],
    ['[::1]:8080', 'http://[::1]:8080/'],
    ['https://dray.example/behind/a/path', 'https://dray.example/behind/a/path'],
    ['http://dray.example/?x=1#y', 'http://dray.example/'],
  ])('takes %s as %s', (text, href) => {
    expect(serverAddress(text, {}).href).toBe(href);
  });

  it.each(['ftp://dray.example', 'http://', 'a b', '', 'host:99999'])(
    'refuses %j and says where it came from',
    (text) => {
      expect(() => serverAddress(text, {})).toThrow(AddressError);
      expect(() => serverAddress(text, {})).toThrow('--server');
    },
  );

  it('names the variable where the variable is wrong', () => {
    expect(() => serverAddress(undefined, { DRAY_SERVER: 'ftp://x' })).toThrow('DRAY_SERVER');
  });
});

describe('the API key', () => {
  it('is that of the flag, else of the variable, else none', () => {
    expect(apiKey('flag', { DRAY_API_KEY: 'variable' })).toBe('flag');
    expect(apiKey(undefined, { DRAY_API_KEY: 'variable' })).toBe('variable');
    expect(apiKey(undefined, { DRAY_API_KEY: '' })).toBeUndefined();
  });
});

describe('colours', () => {
  it('are unwanted where NO_COLOR is not empty or the terminal is dumb', () => {
    expect(coloursUnwanted({ NO_COLOR: '1' })).toBe(true);
    expect(coloursUnwanted({ TERM: 'dumb' })).toBe(true);
    expect(coloursUnwanted({ NO_COLOR: '', TERM: 'xterm' })).toBe(false);
  });
});
