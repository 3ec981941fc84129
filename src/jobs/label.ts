/** Labels as people write them. */

/** "team=red" or "team:red": no name holds a separator, a value may. Undefined where it is neither. */
export function parseLabel(text: string): { name: string; value: string } | undefined {
  const [, name, value] = /^([^=:]+)[=:](.*)$/s.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : { name, value };
}
