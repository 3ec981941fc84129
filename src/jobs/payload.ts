/** A JSON value up to `limits.inlinePayload` in the job's record itself, a larger one by the blob that holds it. */
export type Payload = { readonly inline: unknown } | { readonly blob: string };
