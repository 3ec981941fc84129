/** The doors of existing client families that every API opens. */
import type { Door } from '../http/dependencies.js';

export const doors: readonly Door[] = [];
