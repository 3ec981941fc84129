import { engineConformance } from './engine.js';
import { sqliteStore } from './sqlite-store.js';

engineConformance('sqlite', sqliteStore);
