/** Versions of nats-server: parsing what it prints, and what each version can do. */

export interface ServerVersion {
  major: number;
  minor: number;
  patch: number;
  /** Without a leading 'v', with any suffix: '2.10.27', '2.11.0-RC.1'. */
  text: string;
}

/** Oldest server that works. */
export const VERSION_MIN = '2.9.0';
/** From here on a frozen owner is dropped and the other traps of older servers are repaired. */
export const VERSION_GOOD = '2.10.27';
/** From here on the server can fsync before it acknowledges (`sync_interval: always`). */
export const VERSION_FSYNC = '2.10.0';

/** The version in `nats-server --version` output or in a bare version string; null when there is none. */
export function parseVersion(text: string): ServerVersion | null {
  const found = /\bv?(\d+)\.(\d+)\.(\d+)((?:-[0-9A-Za-z.]+)?)/.exec(text);
  if (!found) return null;
  const [, major, minor, patch, suffix] = found;
  return {
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch),
    text: `${major}.${minor}.${patch}${suffix}`,
  };
}

/** True when `version` is `least` or newer (pre-releases count as their release). */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [parseVersion(version), parseVersion(least)];
  if (!a || !b) return false;
  if (a.major !== b.major) return a.major > b.major;
  if (a.minor !== b.minor) return a.minor > b.minor;
  return a.patch >= b.patch;
}
