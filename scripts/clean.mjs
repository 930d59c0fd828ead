// Empties dist, so that no file of a module that is gone stays in the package.
import { rm } from 'node:fs/promises';

await rm(new URL('../dist', import.meta.url), { recursive: true, force: true });
