/** Functions for kinds of effects that need nothing of their own here: one JSON value in, a promise of the answer out. */
import { asked } from './effects.ts';
import { expose } from './intrinsics.ts';
import { jsonOf } from './json.ts';

/** Offers cells these functions. Called once, before there is any session. */
export function offer({ calls }: { calls: { name: string; kind: string }[] }): void {
  for (let at = 0; at < calls.length; at++) {
    const { name, kind } = calls[at]!;
    const call = {
      [name]: (input?: unknown) => asked(kind, () => (input === undefined ? null : jsonOf(input, name))),
    }[name]!;
    expose(globalThis, name, call);
  }
}
