import { catalogue } from "../../../lattice/index.ts";

interface Count {
  acknowledged: number;
  failed: number;
}

/** What was asked of a counter and answered, key by key, and with which codes the rest failed. */
export class Account {
  /** Failures by code. */
  readonly codes = new Map<string, number>();
  /** What no call may come to, the first few. */
  readonly wrong: string[] = [];
  readonly #keys = new Map<string, Count>();

  get acknowledged(): number {
    return this.#sum("acknowledged");
  }

  get failed(): number {
    return this.#sum("failed");
  }

  acknowledge(key: string): void {
    this.#of(key).acknowledged++;
  }

  /** It may have been counted all the same: who calls cannot know. */
  fail(key: string, code: string, text: string): void {
    this.#of(key).failed++;
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    if (!Object.hasOwn(catalogue, code)) this.#note(`an error of no known code: ${code} ${text}`);
  }

  /** Compares with what the store holds. Gives all that it counted. */
  async compare(read: (key: string) => Promise<number>): Promise<number> {
    let counted = 0;
    for (const [key, { acknowledged, failed }] of this.#keys) {
      const held = await read(key);
      counted += held;
      if (held < acknowledged) this.#note(`${key} holds ${held}, but ${acknowledged} were acknowledged`);
      if (held > acknowledged + failed)
        this.#note(`${key} holds ${held}, but only ${acknowledged + failed} were asked`);
    }
    return counted;
  }

  #of(key: string): Count {
    const known = this.#keys.get(key);
    if (known) return known;
    const count = { acknowledged: 0, failed: 0 };
    this.#keys.set(key, count);
    return count;
  }

  #sum(what: keyof Count): number {
    return [...this.#keys.values()].reduce((sum, count) => sum + count[what], 0);
  }

  #note(text: string): void {
    if (this.wrong.length < 20) this.wrong.push(text);
  }
}
