/** How objects of ours present themselves: by what their getters say, as Node's own classes do. */
import { create, define, getPrototypeOf, put, toStringTag } from './intrinsics.ts';

const custom = Symbol.for('nodejs.util.inspect.custom');

/** Instances are shown as objects of their class with these properties. */
export function showAs(prototype: object, names: readonly string[]): void {
  define(prototype, custom, function (this: Record<string, unknown>): unknown {
    // An heir that shows itself plainly: without this method, but under its class's name.
    const plain = create(getPrototypeOf(this) as object);
    define(plain, custom, undefined);
    define(plain, toStringTag, undefined);
    define(plain, 'constructor', this.constructor);
    const shown = create(plain) as object;
    for (let at = 0; at < names.length; at++) put(shown, names[at]!, this[names[at]!]);
    return shown;
  });
}
