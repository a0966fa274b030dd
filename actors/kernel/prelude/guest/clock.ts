/** `performance` over the step clock: milliseconds since the session was created. */
import { define, defineGetter, expose, now, tag } from './intrinsics.ts';

let createdMs = 0;

export function setOrigin(originMs: number): void {
  createdMs = originMs;
}

export function installClock(): void {
  const performance = {};
  expose(performance, 'now', () => now() - createdMs);
  defineGetter(performance, 'timeOrigin', () => createdMs);
  expose(performance, 'toJSON', () => ({ timeOrigin: createdMs }));
  tag(performance, 'Performance');
  define(globalThis, 'performance', performance);
}
