/** The prelude's text: from the build when this file is bundled, else bundled on the spot. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

async function readPrelude(): Promise<string> {
  const built = fileURLToPath(new URL('./prelude.js', import.meta.url));
  if (existsSync(built)) return readFileSync(built, 'utf8');
  // Named so that no bundler follows it: a build has no bundler at run time.
  const bundle = new URL('./bundle.mjs', import.meta.url).href;
  return ((await import(bundle)) as { bundlePrelude(): string }).bundlePrelude();
}

/** A script for QuickJS, evaluated once per kernel; its value holds the entry points. */
export const preludeSource: string = await readPrelude();
