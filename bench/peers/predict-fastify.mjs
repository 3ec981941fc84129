/**
 * The least that a Node service can do to serve a model: fastify and onnxruntime-node in one thread, no checks, no
 * versions, no batches. What it is asked for must be what the model takes.
 */
import { fileURLToPath } from 'node:url';
import Fastify from 'fastify';
import ort from 'onnxruntime-node';

const file = fileURLToPath(new URL('../../models/celsiusify/1/model.onnx', import.meta.url));
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const app = Fastify({ routerOptions: { ignoreTrailingSlash: false } });
app.post('/v1/models/*', async (request) => {
  const { instances } = request.body;
  const fahrenheit = new ort.Tensor('float32', Float32Array.from(instances.flat()), [instances.length, 1]);
  const { celsius } = await session.run({ fahrenheit });
  return { predictions: Array.from(celsius.data, (value) => [value]) };
});
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
