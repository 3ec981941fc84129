// Fills a letter's {{placeholders}}. Light work: it runs inline, in the server's process, and needs no executor.
import { defineTask, PermanentError } from 'dray/task';
import Type from 'typebox';

export default defineTask({
  type: 'letter',
  description: 'Fills the {{placeholders}} of a template.',
  inline: true,
  input: Type.Object(
    {
      template: Type.String({ maxLength: 10_000 }),
      values: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
    },
    { additionalProperties: false },
  ),
  output: Type.Object({ text: Type.String() }),

  run({ template, values }) {
    const text = template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_all, name) => {
      if (Object.hasOwn(values, name)) return String(values[name]);
      throw new PermanentError(`there is no value for {{${name}}}`, { code: 'missing-value' });
    });
    return { text };
  },

  // GET /v1/jobs/{id}/result answers with the bare text where the client accepts it.
  represent: ({ text }) => [{ mediaType: 'text/plain', bytes: () => Buffer.from(text) }],
});
