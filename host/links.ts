import { canonicalContract, defaultLinkName, linkId } from "../lattice/index.ts";
import type { LinkSpec } from "./engine-messages.ts";
import type { HostParts } from "./parts.ts";
import type { ActorHandle, LinkRecord, ProviderHandle } from "./wanted.ts";

export interface LinkOptions {
  readonly linkName?: string;
  /** Opaque to the host, checked by the provider. `deadline` bounds each call over the link. */
  readonly values?: Readonly<Record<string, string>>;
}

/** The verbs of one host about links. */
export class Links {
  readonly #parts: HostParts;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /**
   * Lets an actor use a provider. Putting it again changes the values, or the provider behind it, without a gap.
   * @throws LatticeError LINK_VALUES_INVALID, ADDRESS_TAKEN, PROVIDER_ABSENT, ACTOR_ABSENT.
   */
  async put(
    actor: ActorHandle | string,
    provider: ProviderHandle | string,
    options: LinkOptions = {},
  ): Promise<LinkRecord> {
    const { spec: behind } = this.#parts.wanted.findProvider(provider);
    const linkName = options.linkName ?? behind.linkName;
    const key = this.#parts.wanted.actorKey(actor);
    const record =
      typeof actor === "string"
        ? [...this.#parts.wanted.placements.values()].find(({ spec }) => spec.module.key === key)
        : this.#parts.wanted.findActor(actor);
    const own = record && Object.keys(record.spec.env).length > 0 ? record.spec : undefined;
    const contractId = behind.contractId;
    const identity = linkId({ actor: key, contractId: canonicalContract(contractId), linkName });
    const spec: LinkSpec = {
      id: own ? `${identity}.${own.id}` : identity,
      actor: key,
      ...(own ? { placement: own.id } : {}),
      provider: behind.key,
      providerId: behind.id,
      contractId,
      linkName,
      values: { ...own?.env, ...options.values },
      revision: 0,
    };
    const status = await this.#parts.fleet.apply({ type: "put-link", link: spec });
    const link: LinkRecord = { spec, urls: status?.urls ?? [] };
    this.#parts.wanted.links.set(spec.id, link);
    this.#parts.events.emit("linkdef_set", {
      id: spec.id,
      actor_id: key,
      provider_id: behind.key,
      contract_id: contractId,
      link_name: linkName,
    });
    return link;
  }

  /** Takes a link back. Does nothing when there is none. */
  async delete(actor: ActorHandle | string, contractId: string, linkName: string = defaultLinkName): Promise<void> {
    const key = this.#parts.wanted.actorKey(actor);
    const contract = canonicalContract(contractId);
    for (const [id, { spec }] of this.#parts.wanted.links) {
      if (spec.actor !== key || canonicalContract(spec.contractId) !== contract || spec.linkName !== linkName) continue;
      await this.#parts.fleet.apply({ type: "drop-link", id });
      this.#parts.wanted.links.delete(id);
      this.#parts.events.emit("linkdef_deleted", {
        id,
        actor_id: key,
        provider_id: spec.provider,
        contract_id: spec.contractId,
        link_name: linkName,
      });
    }
  }

  /** Links that were put before the actor ran take effect with what it is now. */
  async renew(key: string): Promise<void> {
    for (const { spec } of this.#parts.wanted.links.values()) {
      if (spec.actor === key && !spec.placement) await this.#parts.fleet.apply({ type: "put-link", link: spec });
    }
  }

  /** Links to a portable provider whose guest is new and knows nothing of them. */
  async renewBehind(placement: string): Promise<void> {
    const { wanted, fleet } = this.#parts;
    for (const { spec } of wanted.links.values()) {
      const source = wanted.providers.get(spec.providerId)?.spec.source;
      if (source?.kind !== "portable" || source.placement !== placement) continue;
      await fleet.apply({ type: "put-link", link: spec });
    }
  }
}
