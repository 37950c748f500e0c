/** What is opened once per id and closed with its last user. */
export class Leases<T extends { close(): void | Promise<void> }> {
  readonly #held = new Map<string, { readonly value: Promise<T>; users: number }>();

  /** Opens it, or joins those who use it. One that cannot be opened is tried anew by the next. */
  take(id: string, open: () => T | Promise<T>): Promise<T> {
    let held = this.#held.get(id);
    if (held === undefined) {
      const fresh = { value: (async () => open())(), users: 0 };
      this.#held.set(id, fresh);
      fresh.value.catch(() => {
        if (this.#held.get(id) === fresh) this.#held.delete(id);
      });
      held = fresh;
    }
    held.users++;
    return held.value;
  }

  /** Once for each `take` that came to something. */
  async release(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (held === undefined || --held.users > 0) return;
    this.#held.delete(id);
    await (await held.value).close();
  }

  /** Those that are open. */
  async all(): Promise<T[]> {
    const settled = await Promise.allSettled([...this.#held.values()].map(({ value }) => value));
    return settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  }

  /** Whoever uses them. */
  async close(): Promise<void> {
    const open = await this.all();
    this.#held.clear();
    await Promise.all(open.map(async (each) => each.close()));
  }
}
