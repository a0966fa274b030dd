/** Roles on the bus; each has a user of its own. */
export const ROLES = ['client', 'worker', 'llm', 'storage', 'supervisor'] as const;
export type BusRole = (typeof ROLES)[number];
