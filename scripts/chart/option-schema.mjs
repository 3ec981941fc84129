// What a value of `options` may be, from the option table of src/config.

/**
 * Those that the chart sets itself, from other values or from the objects that it makes; those of one machine alone; and
 * addresses, whose passwords belong into a Secret: `env` takes them from there.
 */
export const ownedByChart = [
  ...['port', 'host', 'data', 'keys', 'healthPort', 'queue', 'state', 'blobs'],
  ...['minWorkers', 'maxWorkers', 'slotsPerWorker', 'types', 'drainTarget', 'slo'],
  ...['pools', 'pool', 'utilisation', 'drainGrace'],
  ...['kubernetesMetricsPort', 'kubernetesMetricsSecret', 'kubernetesMetricsService', 'podDeletionCosts'],
  ...['containers', 'containerImages', 'bucketHosts', 'bucketCredentials'],
  ...[
    'containerNamespace',
    'containerSecret',
    'containerServiceAccount',
    'containerEnvFile',
    'containerArgs',
  ],
  ...['startEndState', 'mstcAmqp', 'models'],
];

const byType = {
  string: ({ values }) => ({ type: 'string', ...(values && { enum: values }) }),
  name: () => ({ type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' }),
  switch: () => ({ type: 'boolean' }),
  integer: (bounds) => ({ type: 'integer', ...bounds }),
  number: (bounds) => ({ type: 'number', ...bounds }),
  list: () => ({ type: ['array', 'string'], items: { type: 'string' } }),
  share: (bounds) => ({ type: ['number', 'string'], ...bounds, pattern: '^\\d+(\\.\\d+)?\\s*%?$' }),
  bytes: (bounds) => ({
    type: ['integer', 'string'],
    ...bounds,
    pattern: '^\\d+(\\.\\d+)?\\s*([kKmMgGtT]([iI]?[bB])?)?$',
  }),
  duration: (bounds) => ({
    type: ['number', 'string'],
    ...bounds,
    pattern: '^\\d+(\\.\\d+)?\\s*(ms|s|m|h|d)?$',
  }),
};

/** @param option of the table; its range holds for a number, and for a text with a unit only the process knows. */
export function optionSchema({ type, min, max, values, doc }) {
  const bounds = { ...(min !== undefined && { minimum: min }), ...(max !== undefined && { maximum: max }) };
  return { description: doc, ...byType[type]({ ...bounds, ...(values && { values }) }) };
}

/** By key, for all options that a user gives as such and that one of these commands heeds. */
export function optionSchemas(options, modes) {
  return Object.fromEntries(
    options
      .filter((option) => option.modes.some((mode) => modes.includes(mode)))
      .filter((option) => !ownedByChart.includes(option.name))
      .map((option) => [option.name, optionSchema(option)]),
  );
}
