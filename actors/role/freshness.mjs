/** Whether a build still matches the sources. Plain JavaScript: the launcher asks before anything is loaded. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const SOURCES = ['actors', 'bus', 'storage', 'cli'];

/**
 * True when no source file of the package is newer than the bundle. An installed package (no tsconfig.json) has
 * nothing to compare with: its build is always fresh.
 * @param {string} root folder of the package
 * @param {string} bundle path of a built file
 */
export function isBuildFresh(root, bundle) {
  const built = statSync(bundle, { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return false;
  if (!existsSync(path.join(root, 'tsconfig.json'))) return true;
  return SOURCES.every((folder) => !hasNewer(path.join(root, folder), built));
}

/** @param {string} folder @param {number} since @returns {boolean} */
function hasNewer(folder, since) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return false;
  }
  return entries.some((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return hasNewer(file, since);
    if (!/\.(ts|mjs)$/.test(entry.name)) return false;
    return (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) > since;
  });
}
