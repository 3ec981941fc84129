/** The least that a Node service can do for /convert/: fastify with nothing added, checked and written by schema. */
import Fastify from 'fastify';

const app = Fastify();
app.get(
  '/convert/',
  {
    schema: {
      querystring: {
        type: 'object',
        required: ['fahrenheit'],
        properties: { fahrenheit: { type: 'number' } },
      },
      response: {
        200: {
          type: 'object',
          properties: { celsius: { type: 'string' }, app_identifier: { type: 'string' } },
        },
      },
    },
  },
  (request) => ({
    celsius: (((request.query.fahrenheit - 32) * 5) / 9).toFixed(6),
    app_identifier: 'aB3dE6gH-aB3dE6gH-aB3dE6gH-aB3dE6gH',
  }),
);
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
