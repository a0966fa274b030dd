/**
 * What the compiler puts before statements inside functions, for the engine to note where they stand (see
 * `compiler/markers.ts`). The engine's optimiser drops it again; the prelude keeps it out of `toString`.
 */
export const MARKER = 'if(0)0;';
