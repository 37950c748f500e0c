import type { NamedProvider, ProviderPlace } from "./engine-messages.ts";
import type { PeerHost } from "./remote/peers.ts";

interface Given {
  readonly from: NamedProvider;
  readonly to: ProviderPlace;
  announced: boolean;
  /** Calls that were sent on and not answered. */
  unserved: number;
}

/**
 * Providers that ran on this host and went to another one. Each is sought there from before that host
 * announces it until it no longer does: then it has gone on, and presence tells where.
 */
export class GivenAway {
  readonly #given = new Map<string, Given>();

  /** By the name that it had here or has there. */
  get(name: NamedProvider): ProviderPlace | undefined {
    return this.#given.get(nameOf(name))?.to;
  }

  put(from: NamedProvider, to: ProviderPlace): void {
    const given = { from, to, announced: false, unserved: 0 };
    this.#given.set(nameOf(from), given);
    this.#given.set(nameOf({ ...from, key: to.key }), given);
  }

  noteUnserved(name: NamedProvider): void {
    const given = this.#given.get(nameOf(name));
    if (given) given.unserved++;
  }

  unserved(name: NamedProvider): number {
    return this.#given.get(nameOf(name))?.unserved ?? 0;
  }

  /** A provider of that name runs here again. */
  takeBack(name: NamedProvider): void {
    this.#given.delete(nameOf(name));
  }

  /** Another host tells what it runs. */
  follow({ host, providers }: PeerHost): void {
    for (const [name, given] of this.#given) {
      const { from, to } = given;
      if (to.host !== host) continue;
      const isThere = providers.some(({ key, linkName }) => key === to.key && linkName === from.linkName);
      if (isThere) given.announced = true;
      else if (given.announced) this.#given.delete(name);
    }
  }

  /** What is sought on other hosts now, each once. */
  all(): readonly { readonly from: NamedProvider; readonly to: ProviderPlace }[] {
    return [...new Set(this.#given.values())];
  }
}

function nameOf({ key, linkName }: NamedProvider): string {
  return `${key} ${linkName}`;
}
