/**
 * The web service of the BullMQ peer: a job for each POST, answered once Redis has it. Arguments: its port, the name
 * of the queue, the port of Redis.
 */
import Fastify from 'fastify';
import { openQueue } from './queue.mjs';

const [port, name, redisPort] = process.argv.slice(2);
const queue = openQueue(name, redisPort);
const app = Fastify();
app.post(
  '/jobs',
  {
    schema: {
      body: {
        type: 'object',
        required: ['type', 'input'],
        properties: { type: { type: 'string' }, input: { type: 'object' } },
      },
      response: { 202: { type: 'object', properties: { id: { type: 'string' } } } },
    },
  },
  async (request, reply) => {
    const { id } = await queue.add(request.body.type, request.body.input);
    reply.code(202);
    return { id };
  },
);
await queue.waitUntilReady();
await app.listen({ host: '127.0.0.1', port: Number(port) });
