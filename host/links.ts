import { canonicalContract, defaultLinkName, describe, fail, linkId } from "../lattice/index.ts";
import type { LinkSpec, PlacementSpec, ProviderSpec } from "./engine-messages.ts";
import type { HostParts } from "./parts.ts";
import type { ActorHandle, LinkRecord, ProviderHandle } from "./wanted.ts";

/** Bounds of a link's values. Source: `LinkDefinition`. */
const mostValues = 256;
const mostBytes = 65_536;

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
    const { wanted, turns } = this.#parts;
    const { spec: behind } = wanted.findProvider(provider);
    const key = wanted.actorKey(actor);
    const record =
      typeof actor === "string"
        ? [...wanted.placements.values()].find(({ spec }) => spec.module.key === key)
        : wanted.findActor(actor);
    const own = record && Object.keys(record.spec.env).length > 0 ? record.spec : undefined;
    if (!own) return this.#put(key, behind, options);
    return turns.take(key, async () => {
      if (!wanted.placements.has(own.id)) throw fail("ACTOR_ABSENT", own.module.claims.name);
      return this.#put(key, behind, options, own);
    });
  }

  async #put(key: string, behind: ProviderSpec, options: LinkOptions, own?: PlacementSpec): Promise<LinkRecord> {
    const { contractId } = behind;
    const linkName = options.linkName ?? behind.linkName;
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
    checkSize(spec);
    return this.#inTurn(spec, async () => {
      const { wanted, fleet, events } = this.#parts;
      if (!wanted.providers.has(behind.id)) throw fail("PROVIDER_ABSENT", behind.name);
      const status = await fleet.apply({ type: "put-link", link: spec });
      const link: LinkRecord = { spec, urls: status?.urls ?? [] };
      wanted.links.set(spec.id, link);
      events.emit("linkdef_set", { id: spec.id, ...aboutLink(spec) });
      return link;
    });
  }

  /** Takes a link back, with a handle only that of its placement. Does nothing when there is none. */
  async delete(actor: ActorHandle | string, contractId: string, linkName: string = defaultLinkName): Promise<void> {
    const key = this.#parts.wanted.actorKey(actor);
    const contract = canonicalContract(contractId);
    for (const { spec } of this.#parts.wanted.links.values()) {
      if (spec.actor !== key || canonicalContract(spec.contractId) !== contract || spec.linkName !== linkName) continue;
      if (spec.placement !== undefined && typeof actor !== "string" && spec.placement !== actor.placement) continue;
      await this.#delete(spec);
    }
  }

  /** Links of one placement go with it: no other could use them. */
  async deleteOwn(placement: string): Promise<void> {
    for (const { spec } of this.#parts.wanted.links.values())
      if (spec.placement === placement) await this.#delete(spec);
  }

  /** Links that were put before the actor ran take effect with what it is now. One that cannot is told, and stays as it was. */
  async renew(key: string): Promise<void> {
    for (const { spec } of this.#parts.wanted.links.values()) {
      if (spec.actor === key && !spec.placement) await this.#renew(spec);
    }
  }

  async #renew(link: LinkSpec): Promise<void> {
    const { wanted, fleet, logger } = this.#parts;
    await this.#inTurn(link, async () => {
      const now = wanted.links.get(link.id)?.spec;
      if (!now) return;
      await fleet.apply({ type: "put-link", link: now }).catch((error: unknown) => {
        logger.warn(`link "${now.linkName}" of ${now.actor} to ${now.contractId} is not renewed: ${describe(error)}`);
      });
    });
  }

  #delete(link: LinkSpec): Promise<void> {
    return this.#inTurn(link, async () => {
      const { wanted, fleet, events } = this.#parts;
      if (!wanted.links.has(link.id)) return;
      await fleet.apply({ type: "drop-link", id: link.id });
      wanted.links.delete(link.id);
      events.emit("linkdef_deleted", { id: link.id, ...aboutLink(link) });
    });
  }

  #inTurn<T>({ id, providerId }: LinkSpec, work: () => Promise<T>): Promise<T> {
    const { turns } = this.#parts;
    return turns.take(providerId, () => turns.take(id, work));
  }
}

/** What events say of a link; never its values. */
function aboutLink({ actor, provider, contractId, linkName }: LinkSpec) {
  return { actor_id: actor, provider_id: provider, contract_id: contractId, link_name: linkName };
}

/** Links are told to every engine and later to every host. */
function checkSize({ provider, values }: LinkSpec): void {
  const entries = Object.entries(values);
  const size = entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
  if (entries.length <= mostValues && size <= mostBytes) return;
  const limit = `at most ${mostValues} entries and ${mostBytes} bytes in all`;
  throw fail("LINK_VALUES_INVALID", provider, `${entries.length} entries of ${size} bytes; ${limit}`);
}
