#!/usr/bin/env node
/** Starts the command line: the bundle when it is there and fresh, else the sources through tsx. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isBuildFresh } from '../actors/role/freshness.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bundle = path.join(root, 'dist', 'cli.js');
const source = path.join(root, 'cli', 'main.ts');

if (existsSync(bundle) && (!existsSync(source) || isBuildFresh(root, bundle))) {
  await import(pathToFileURL(bundle).href);
} else {
  const { register } = await import('tsx/esm/api');
  register();
  await import(pathToFileURL(source).href);
}
