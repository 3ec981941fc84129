/**
 * TensorFlow Serving's REST API by its documents (https://www.tensorflow.org/tfx/serving/api_rest), as clients in Python
 * call it, with Celsiusify's model.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curl, curlSending } from '../support/callers.js';
import { startProcess, startServer, type TestProcess } from '../support/server.js';
import { root } from '../support/sources.js';

const models = join(root, 'models');
const python = join(root, '.venv/bin/python');
/** `node scripts/setup.mjs --python` makes the environment, with requests. */
const requestsIsHere = await promisify(execFile)(python, ['-c', 'import requests']).then(
  () => true,
  () => false,
);

/** What a client in Python does: prints a line for each check that holds, and ends with an error at the first that does not. */
const client = `
import math, sys, requests
base = sys.argv[1] + "/v1/models/celsiusify"
ask = lambda body, path="": requests.post(base + path + ":predict", json=body, timeout=30)

answer = ask({"instances": [[451.0], [32], [-40.0]]})
assert answer.status_code == 200, answer.text
assert answer.headers["content-type"].startswith("application/json"), answer.headers
assert list(answer.json()) == ["predictions"], answer.text
for [celsius], fahrenheit in zip(answer.json()["predictions"], [451.0, 32, -40.0]):
    assert isinstance(celsius, float) and abs(celsius - (fahrenheit - 32) * 5 / 9) < 1e-3, answer.text

named = ask({"signature_name": "serving_default", "instances": [{"fahrenheit": [451.0]}]})
assert named.json() == {"predictions": [answer.json()["predictions"][0]]}, named.text
for inputs in ([[451.0]], {"fahrenheit": [[451.0]]}):
    column = ask({"inputs": inputs}, "/versions/1")
    assert column.json() == {"outputs": [answer.json()["predictions"][0]]}, column.text

status = requests.get(base, timeout=30).json()
assert status == {"model_version_status": [
    {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}, status
assert requests.get(base + "/versions/1", timeout=30).json() == status

metadata = requests.get(base + "/metadata", timeout=30).json()
assert metadata["model_spec"] == {"name": "celsiusify", "signature_name": "", "version": "1"}, metadata
signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
assert signature["method_name"] == "tensorflow/serving/predict", signature
assert signature["inputs"]["fahrenheit"]["dtype"] == "DT_FLOAT", signature
assert [dim["size"] for dim in signature["inputs"]["fahrenheit"]["tensor_shape"]["dim"]] == ["-1", "1"], signature
assert list(signature["outputs"]) == ["celsius"], signature

unknown = requests.post(sys.argv[1] + "/v1/models/half:predict", json={"instances": [1.0, 5.0]}, timeout=30)
assert unknown.status_code == 404, unknown.text
assert unknown.headers["content-type"].startswith("application/json"), unknown.headers
assert unknown.json() == {"error": "Servable not found for request: Latest(half)"}, unknown.text
print("held")
`;

describe.each([
  ['dray models serve', () => startProcess({ args: ['models', 'serve', '--models', models, '--port', '0'] })],
  ['dray serve with models', () => startServer({ args: ['--models', models] })],
] as const)('%s', (_title, start) => {
  let server: TestProcess;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());

  const predict = (body: string, path = 'celsiusify') =>
    curlSending(body, '-X', 'POST', '--data-binary', '@-', `${server.url}/v1/models/${path}:predict`);
  const refusal = async (body: string, path?: string): Promise<[status: number, error: string]> => {
    const answer = await predict(body, path);
    const refused = answer.json() as { error: string };
    expect(Object.keys(refused)).toEqual(['error']);
    return [answer.status, refused.error];
  };

  it.skipIf(!requestsIsHere)('answers a client in Python as its documents say', async () => {
    const { stdout } = await promisify(execFile)(python, ['-c', client, server.url]);
    expect(stdout).toBe('held\n');
  });

  it('answers curl without a content type', async () => {
    const answer = await predict('{"instances": [[451.0]]}');
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({ predictions: [[expect.closeTo(232.777778, 3)]] });
  });

  it.each<[title: string, body: string, path: string, status: number, error: RegExp]>([
    ['no body', '', 'celsiusify', 400, /^JSON Parse error: The document is empty$/],
    ['no JSON', '{"instances": [[451.0]', 'celsiusify', 400, /^JSON Parse error: /],
    ['NaN', '{"instances": [[NaN]]}', 'celsiusify', 400, /^JSON Parse error: NaN is no number/],
    ['an infinity', '{"inputs": [[ -Infinity]]}', 'celsiusify', 400, /^JSON Parse error: -Infinity is no/],
    ['a number too large', '{"instances": [[1e39]]}', 'celsiusify', 400, /Cannot convert JSON value: 1e\+39/],
    [
      'a text',
      '{"instances": [["451"]]}',
      'celsiusify',
      400,
      /^Failed to process element: 0 of 'instances' list\. Error: INVALID_ARGUMENT: JSON Value: "451" Type: String is not of expected type: float$/,
    ],
    ['a wrong shape', '{"instances": [[1, 2]]}', 'celsiusify', 400, /has shape \[1,2\]/],
    ['a wrong name', '{"inputs": {"x": [[1]]}}', 'celsiusify', 400, /^Missing named input: fahrenheit in/],
    [
      'another signature',
      '{"signature_name": "other", "inputs": [[1]]}',
      'celsiusify',
      400,
      /^Serving signature name: "other" not found in signature def$/,
    ],
    [
      'nesting without end',
      `{"instances": ${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
      'celsiusify',
      400,
      /nested deeper/,
    ],
    [
      'a label',
      '{"instances": [[1]]}',
      'celsiusify/labels/stable',
      400,
      /^Unrecognized servable version label: stable$/,
    ],
    [
      'a version beyond all',
      '{"instances": [[1]]}',
      'celsiusify/versions/9223372036854775808',
      400,
      /^Failed to convert version: 9223372036854775808 to numeric\.$/,
    ],
    [
      'an unknown model',
      '{"instances": [[1]]}',
      'nothing',
      404,
      /^Servable not found for request: Latest\(nothing\)$/,
    ],
    [
      'an unknown version',
      '{"instances": [[1]]}',
      'celsiusify/versions/7',
      404,
      /^Servable not found for request: Specific\(celsiusify, 7\)$/,
    ],
    [
      'a version that is none',
      '{"instances": [[1]]}',
      'celsiusify/versions/x',
      400,
      /^Malformed request: POST /,
    ],
    [
      'too many rows',
      `{"instances": [${'[1],'.repeat(1_000_000)}[1]]}`,
      'celsiusify',
      413,
      /more than 1000000 elements/,
    ],
    [
      'too much',
      `{"instances": [[${' '.repeat(17 * 1024 * 1024)}1]]}`,
      'celsiusify',
      413,
      /larger than 16777216 bytes/,
    ],
  ])('refuses %s in the shape of its errors', async (_title, body, path, status, error) => {
    const [code, text] = await refusal(body, path);
    expect(code, text).toBe(status);
    expect(text).toMatch(error);
  });

  it('refuses what it does not do', async () => {
    for (const [args, status, error] of [
      [
        ['-d', '{}', '/celsiusify:classify'],
        400,
        /^Expected classification signature method_name to be tensorflow\/serving\/classify\. Was: tensorflow\/serving\/predict$/,
      ],
      [['-d', '{}', '/celsiusify:regress'], 400, /^Expected regression signature/],
      [['-d', '{}', '/celsiusify:explain'], 400, /^Malformed request: POST/],
      [['-X', 'PUT', '/celsiusify'], 400, /^Malformed request: PUT/],
      [['/celsiusify/labels/stable'], 400, /^Unrecognized servable version label: stable$/],
      [['/celsiusify/labels/stable/metadata'], 400, /^Unrecognized servable version label: stable$/],
      [['/nothing/metadata'], 404, /^Servable not found for request: Latest\(nothing\)$/],
      [['-d', '{}', '/celsiusify'], 400, /^Malformed request: POST \/v1\/models\/celsiusify$/],
      [['/nothing'], 404, /^Could not find any versions of model nothing$/],
      [['/celsiusify/versions/7'], 404, /^Could not find version 7 of model celsiusify$/],
      [['/celsiusify:predict'], 400, /^Malformed request: GET /],
      [['/'], 400, /^Missing model name in request\.$/],
      [[''], 400, /^Missing model name in request\.$/],
    ] as const) {
      const path = args.at(-1)!;
      const answer = await curl(...args.slice(0, -1), `${server.url}/v1/models${path}`);
      expect(answer.status, path).toBe(status);
      expect((answer.json() as { error: string }).error).toMatch(error);
    }
  });
});
