import { fail } from "../../errors.ts";
import { acceptHello } from "./hello.ts";
import type { AcceptedHello } from "./hello.ts";
import { chooseForm } from "./rpc-policy.ts";
import type { RpcForm, RpcPolicy } from "./rpc-policy.ts";

export interface HellosOptions {
  readonly lattice: string;
  /** Cluster keys (C) whose vouchers count, the own one included. */
  readonly issuers: readonly string[];
  /** What this host speaks. */
  readonly rpc: RpcPolicy;
  /** Hosts remembered. Default 4 096; over it the one that was heard of longest ago goes. */
  readonly capacity?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Texts remembered of one host: more than it has engines, as a rule. */
const maxTexts = 64;

/**
 * The hellos of other hosts, checked once each and remembered. What a host said under its signature
 * stands until it expires: an older hello, or none, takes nothing back.
 */
export class Hellos {
  readonly rpc: RpcPolicy;
  readonly #options: HellosOptions;
  readonly #now: () => number;
  readonly #capacity: number;
  /** By host key, longest unheard first. */
  readonly #known = new Map<string, AcceptedHello>();
  /** Also earlier ones that say the same: each engine of a host writes its own. */
  readonly #byText = new Map<string, AcceptedHello>();
  readonly #textsOf = new Map<string, Set<string>>();
  /** When the first hello of another process came, of hosts that were started again: `performance.now()`. */
  readonly #restarted = new Map<string, number>();

  constructor(options: HellosOptions) {
    this.rpc = options.rpc;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#capacity = options.capacity ?? 4_096;
  }

  /**
   * Checks a hello and remembers it; one that was checked before costs nothing.
   * @throws LatticeError HELLO_REFUSED, also when a later one of that host with another key is known.
   */
  accept(text: string): AcceptedHello {
    const nowSeconds = this.#now() / 1_000;
    const seen = this.#byText.get(text);
    if (seen && seen.expiresAt > nowSeconds) return seen;
    const hello = acceptHello(text, { ...this.#options, nowSeconds });
    const before = this.get(hello.host);
    if (before && before.issuedAt > hello.issuedAt) {
      if (before.sessionKey === hello.sessionKey && before.rpc === hello.rpc) return this.#note(text, before);
      throw fail("HELLO_REFUSED", hello.host, "it is older than one that came before");
    }
    const restarted =
      before && before.sessionKey !== hello.sessionKey ? performance.now() : this.restartedAt(hello.host);
    this.forget(hello.host);
    if (restarted !== undefined) this.#restarted.set(hello.host, restarted);
    this.#known.set(hello.host, hello);
    this.#note(text, hello);
    const [oldest] = this.#known.keys();
    if (this.#known.size > this.#capacity && oldest !== undefined) this.forget(oldest);
    return hello;
  }

  /** The latest hello of a host; undefined when none came or it expired. */
  get(host: string): AcceptedHello | undefined {
    const hello = this.#known.get(host);
    return hello && hello.expiresAt > this.#now() / 1_000 ? hello : undefined;
  }

  /** When it turned out that a host is another process than before, in `performance.now()`; undefined when it is not. */
  restartedAt(host: string): number | undefined {
    return this.#restarted.get(host);
  }

  /**
   * How to send a directed call to a host. Without a checked hello there is no directed call, never
   * one in a weaker form.
   */
  formFor(host: string): RpcForm {
    const hello = this.get(host);
    return hello ? chooseForm(this.rpc, hello.rpc) : { form: "none", why: "it has not said hello" };
  }

  /** Forgets a host that is gone for good (long after its goodbye): an old hello of it would count again. */
  forget(host: string): void {
    const hello = this.#known.get(host);
    if (!hello) return;
    this.#known.delete(host);
    this.#restarted.delete(host);
    for (const text of this.#textsOf.get(host) ?? []) this.#byText.delete(text);
    this.#textsOf.delete(host);
  }

  /** A text that was checked needs no second look while what it stands for stands. */
  #note(text: string, hello: AcceptedHello): AcceptedHello {
    const texts = this.#textsOf.get(hello.host) ?? new Set();
    this.#textsOf.set(hello.host, texts.add(text));
    this.#byText.set(text, hello);
    const [oldest] = texts;
    if (texts.size > maxTexts && oldest !== undefined) {
      texts.delete(oldest);
      this.#byText.delete(oldest);
    }
    return hello;
  }
}
