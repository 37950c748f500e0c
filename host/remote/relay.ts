import { type Asker, fail, tell, type VerifiedInvocation } from "../../lattice/index.ts";
import type { Elsewhere, Peer } from "../dispatch.ts";
import type { LinkRow, Tables } from "../tables.ts";
import { fits } from "./candidates.ts";

/** The way to other hosts of an engine without a connection of its own: by way of the caller's thread. */
export class Relay implements Elsewhere {
  readonly #tables: Tables;
  readonly #caller: () => Peer | undefined;

  constructor(tables: Tables, caller: () => Peer | undefined) {
    this.#tables = tables;
    this.#caller = caller;
  }

  hasRoom(key: string, placement: string | undefined): boolean {
    return this.#tables.peers
      .actorsOf(key)
      .some(({ peer, actor }) => actor.room > 0 && fits(peer, actor, placement, undefined));
  }

  runsProvider({ spec }: LinkRow): boolean {
    return this.#tables.peers
      .providersOf(spec.provider, spec.providerLinkName ?? spec.linkName)
      .some(({ peer }) => !peer.draining);
  }

  askActor(invocation: VerifiedInvocation, asker: Asker<Uint8Array>): void {
    tell(this.#send(invocation), asker);
  }

  askProvider(invocation: VerifiedInvocation, _link: LinkRow, asker: Asker<Uint8Array>): void {
    tell(this.#send(invocation), asker);
  }

  #send(invocation: VerifiedInvocation): Promise<Uint8Array> {
    const caller = this.#caller();
    return caller?.open ? caller.send(invocation) : Promise.reject(fail("ENGINE_LOST", "of the caller's thread"));
  }
}
