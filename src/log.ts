/** What a part reports of itself; compose/ says where it goes. Details never hold a secret. */
export interface Log {
  info(message: string, details?: Record<string, unknown>): void;
  warn(message: string, details?: Record<string, unknown>): void;
}

/** An address, or what was meant as one, as it may be logged and shown: without its password. */
export function withoutPassword(address: string): string {
  // Up to the last @, as a password that was not encoded may hold any character.
  return address
    .replace(/(:\/\/[^:@/]*):.*@/s, '$1:***@')
    .replace(/([?&](?:password|secret\w*)=)[^&]*/gi, '$1***');
}
