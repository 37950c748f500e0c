import type { HttpHandler, ListenerLease, ListenerOwner, Listeners } from "../capabilities/index.ts";
import type { ListenerClaim, Listeners as EngineListeners } from "./listeners.ts";

/**
 * One provider's part of its engine's listeners. While the provider is staged for a swap its claims
 * open sockets and leave alone the handlers that stand behind them; `activate` puts its own behind
 * all of them in one step, also when it takes them back from one that came after it.
 */
export class ProviderListeners implements Listeners {
  readonly #listeners: EngineListeners;
  readonly #claims = new Set<ListenerClaim>();
  #staged: boolean;

  constructor(listeners: EngineListeners, staged: boolean) {
    this.#listeners = listeners;
    this.#staged = staged;
  }

  async claim(address: string, owner: ListenerOwner, handler: HttpHandler): Promise<ListenerLease> {
    const claim = this.#staged
      ? await this.#listeners.reserve(address, owner, handler)
      : await this.#listeners.claim(address, owner, handler);
    this.#claims.add(claim);
    const release = (): Promise<void> => {
      this.#claims.delete(claim);
      return claim.release();
    };
    return { address: claim.address, url: claim.url, release };
  }

  answered(status: number): void {
    this.#listeners.answered(status);
  }

  activate(): void {
    this.#staged = false;
    for (const claim of this.#claims) claim.serve();
  }
}
