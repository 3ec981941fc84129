// Pieces of JSON Schema for the chart's values. `type` is a list where YAML may write a value in two ways, rather than
// `anyOf`: then helm's message is one line that names the key.

export const text = { type: 'string' };
export const flag = { type: 'boolean' };
export const someText = { type: 'string', minLength: 1 };
export const texts = { type: 'object', additionalProperties: { type: 'string' } };

export const integer = (minimum, maximum) => ({ type: 'integer', minimum, maximum });
export const nullable = (schema) => ({ ...schema, type: [schema.type, 'null'].flat() });
export const oneOf = (...values) => ({ type: 'string', enum: values });
export const listOf = (items) => ({ type: 'array', items });

/**
 * An object with these keys and no others. Helm leaves out a key that is set to null: that is an error here, which
 * templates would not say so well, but for those that may be null or that `optional` names.
 */
export const closed = (properties, { optional = [] } = {}) => {
  const required = Object.entries(properties)
    .filter(([key, { type }]) => !optional.includes(key) && ![type].flat().includes('null'))
    .map(([key]) => key);
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
};
/** The same with every key optional. */
export const partly = (properties) => closed(properties, { optional: Object.keys(properties) });

/** One that Kubernetes checks itself. */
const anyObject = { type: 'object' };

export const name = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' };
export const quantity = { type: ['string', 'number'], pattern: '^\\d+(\\.\\d+)?(m|[kMGTPE]|[KMGTPE]i)?$' };
export const port = integer(1, 65_535);
export const replicas = integer(0, 10_000);

export const resources = partly({
  requests: { type: 'object', additionalProperties: quantity },
  limits: { type: 'object', additionalProperties: quantity },
  claims: listOf(anyObject),
});
export const environment = listOf(
  closed({ name: someText, value: text, valueFrom: anyObject }, { optional: ['value', 'valueFrom'] }),
);
/** Where pods may run. */
export const place = {
  nodeSelector: texts,
  tolerations: listOf(
    partly({
      key: text,
      operator: oneOf('Exists', 'Equal'),
      value: text,
      effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute'),
      tolerationSeconds: { type: 'integer' },
    }),
  ),
  affinity: partly({ nodeAffinity: anyObject, podAffinity: anyObject, podAntiAffinity: anyObject }),
  podAnnotations: texts,
};
export const service = {
  type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer'),
  nodePort: nullable(port),
};
export const persistence = closed({ enabled: flag, size: quantity, storageClass: text });
/** As in a NetworkPolicy. */
export const peers = listOf(anyObject);
