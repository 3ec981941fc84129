/** The doors of existing client families that every API opens. */
import { celsiusify } from '../doors/celsiusify/index.js';
import { matrixServiceA } from '../doors/matrix-a.js';
import { matrixServiceB } from '../doors/matrix-b.js';
import { mstcWorker } from '../doors/mstc/http.js';
import { startEndJobs } from '../doors/start-end.js';
import type { Door } from '../http/dependencies.js';

export const doors: readonly Door[] = [matrixServiceA, matrixServiceB, startEndJobs, mstcWorker, celsiusify];
