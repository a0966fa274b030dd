/** A list that holds no more than it may: what does not fit is put together with its neighbours. Pure. */

export class Bounded<T extends { count: number }> {
  readonly #most: number;
  readonly #join: (a: T, b: T) => T;
  #items: T[] = [];
  /** How many things one item may stand for. */
  #stride = 1;

  /** `join` makes one item of two neighbours, and adds up their counts. */
  constructor(most: number, join: (a: T, b: T) => T) {
    this.#most = most;
    this.#join = join;
  }

  /** Adds what comes after all others. */
  add(item: T): void {
    this.#put(item);
    while (this.#items.length > this.#most) {
      this.#stride *= 2;
      const items = this.#items;
      this.#items = [];
      for (const one of items) this.#put(one);
    }
  }

  get items(): readonly T[] {
    return this.#items;
  }

  #put(item: T): void {
    const last = this.#items.at(-1);
    if (last && last.count + item.count <= this.#stride) {
      this.#items[this.#items.length - 1] = this.#join(last, item);
    } else this.#items.push(item);
  }
}
