/** What a part reports of itself; compose/ says where it goes. Details never hold a secret. */
export interface Log {
  info(message: string, details?: Record<string, unknown>): void;
  warn(message: string, details?: Record<string, unknown>): void;
}
