export function isBuildFresh(root: string, bundle: string): boolean;
