/** Work by key, one at a time for each: the next begins when the one before has ended, well or not. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = before ? before.then(work, work) : work();
    this.#last.set(key, turn);
    const gone = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(gone, gone);
    return turn;
  }
}
