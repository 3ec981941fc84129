/** The version in package.json, which lies one folder above both src/ and dist/. */
import { readFileSync } from 'node:fs';

const packageFile = new URL('../../package.json', import.meta.url);
export const version = (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
