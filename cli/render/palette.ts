/** Colours, decided once per stream. Pure. */

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Colour = keyof typeof CODES;
/** Paints text; a plain palette returns it as it is. */
export type Palette = { readonly [colour in Colour]: (text: string) => string };

/** A palette that paints with ANSI escapes, or not at all. Each line is painted by itself. */
export function makePalette(enabled: boolean): Palette {
  const paint = (colour: Colour) => (text: string) => {
    if (!enabled || text === '') return text;
    const [open, close] = CODES[colour];
    return text
      .split('\n')
      .map((line) => (line === '' ? line : `\u001b[${open}m${line}\u001b[${close}m`))
      .join('\n');
  };
  const entries = (Object.keys(CODES) as Colour[]).map((colour) => [colour, paint(colour)] as const);
  return Object.fromEntries(entries) as Palette;
}

/**
 * Whether a stream gets colours: FORCE_COLOR wins (0 and false switch off), then NO_COLOR, then whether the
 * stream is a terminal that can.
 */
export function wantsColour(env: Record<string, string | undefined>, isTerminal: boolean): boolean {
  const forced = env.FORCE_COLOR;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return isTerminal && env.TERM !== 'dumb';
}
