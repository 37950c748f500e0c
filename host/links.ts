import {
  canonicalContract,
  defaultLinkName,
  describe,
  fail,
  isLatticeError,
  linkEventData,
  type State,
} from "../lattice/index.ts";
import { type LinkSpec, type PlacementSpec, type ProviderSpec, slotOf } from "./engine-messages.ts";
import { type KnownLink, LinkBook } from "./link-book.ts";
import { type Behind, findBehind, linkedKey } from "./link-ends.ts";
import type { LinkValues } from "./link-values.ts";
import { shortContract } from "./names.ts";
import type { HostParts } from "./parts.ts";
import { identityOf, sizeProblem, type StoredLink } from "./stored-links.ts";
import type { ActorHandle, LinkRecord, ProviderHandle } from "./wanted.ts";

export interface LinkOptions {
  readonly linkName?: string;
  /** Needed when the provider runs on no host that is known. */
  readonly contractId?: string;
  /** Opaque to the host, checked by the provider. `deadline` bounds each call over the link. */
  readonly values?: Readonly<Record<string, string>>;
  /** Named configurations whose values come before `values`, in this order; the link follows their changes. */
  readonly config?: readonly string[];
}

/** A link as another host is asked to put it. */
export interface LinkRequest {
  readonly actor: string;
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly values: Readonly<Record<string, string>>;
  readonly config?: readonly string[];
}

/** What links need of the lattice that their host has joined. */
export interface SharedLinks {
  /** The lattice's bucket of metadata. */
  readonly state: State;
  /** Asks a host that runs the provider to put the link, so that the provider checks it; rejects with its refusal. */
  readonly putAt: (host: string, request: LinkRequest) => Promise<{ readonly urls?: unknown }>;
  /** Told once, when the links that stand have taken effect here. */
  readonly onKnown?: () => void;
}

/**
 * The verbs of one host about links. They stand in a shared state that every host follows: whoever
 * runs a link's provider puts it there, once for each change; the others only know the way. Links
 * outlive their actors and providers, but for those of one placement or of a throw-away key.
 */
export class Links {
  readonly #parts: HostParts;
  readonly #values: LinkValues;
  readonly #book: LinkBook;
  /** Revision and provider with which each shared link took effect here. */
  readonly #applied = new Map<string, string>();
  #putAt: SharedLinks["putAt"] | undefined;

  constructor(parts: HostParts, values: LinkValues) {
    this.#parts = parts;
    this.#values = values;
    this.#book = new LinkBook(
      (id, anew) => {
        if (anew) this.#applied.delete(id);
        this.#again(id);
      },
      (text) => parts.logger.warn(text),
    );
  }

  /** Shares links with the other hosts of a lattice from now on. Resolves when those that stand have taken effect here. */
  async join({ state, putAt, onKnown }: SharedLinks): Promise<void> {
    this.#putAt = putAt;
    const followed = async (): Promise<void> => {
      await Promise.all([...new Set([...this.#book.all()].map(({ id }) => id))].map((id) => this.#follow(id)));
      onKnown?.();
    };
    let last = Promise.resolve();
    await this.#book.open(state, () => {
      last = followed();
    });
    await last;
  }

  /** The lattice's state may be there again: it is not waited for any longer. */
  hurry(): void {
    this.#book.hurry();
  }

  /** Follows the lattice no more. */
  close(): void {
    this.#book.close();
  }

  /**
   * Lets an actor use a provider, wherever both run. Putting it again changes the values, or the
   * provider behind it, without a gap.
   * @throws LatticeError LINK_VALUES_INVALID, ADDRESS_TAKEN, PROVIDER_ABSENT, ACTOR_ABSENT, STATE_UNAVAILABLE.
   */
  async put(
    actor: ActorHandle | string,
    provider: ProviderHandle | string,
    options: LinkOptions = {},
  ): Promise<LinkRecord> {
    const { wanted } = this.#parts;
    const behind = findBehind(this.#parts, provider, options, this.#putAt !== undefined);
    try {
      return await this.#putTo(behind, actor, options);
    } catch (error) {
      const { local } = behind;
      const isGone = isLatticeError(error) && error.code === "PROVIDER_ABSENT" && local && !wanted.provider(local.id);
      if (!isGone) throw error;
      // It went to another host, or stopped, while this waited for its turn.
      const next = findBehind(this.#parts, local.key, { linkName: local.linkName }, this.#putAt !== undefined);
      return await this.#putTo(next, actor, { linkName: local.linkName, ...options });
    }
  }

  async #putTo(behind: Behind, actor: ActorHandle | string, options: LinkOptions): Promise<LinkRecord> {
    const { wanted, turns } = this.#parts;
    const key = linkedKey(this.#parts, actor);
    const here = [...wanted.placements.values()].filter(({ spec }) => spec.module.key === key);
    const record = typeof actor === "string" ? here[0] : wanted.findActor(actor);
    const own = record && Object.keys(record.spec.env).length > 0 ? record.spec : undefined;
    if (!own) return this.#put(key, behind, options);
    return turns.take(key, async () => {
      if (!wanted.placements.has(own.id)) throw fail("ACTOR_ABSENT", own.module.claims.name);
      return this.#put(key, behind, options, own);
    });
  }

  async #put(key: string, behind: Behind, options: LinkOptions, own?: PlacementSpec): Promise<LinkRecord> {
    const { contractId, local } = behind;
    const linkName = options.linkName ?? behind.linkName;
    const identity = identityOf({ actor: key, contractId, linkName });
    const spec: LinkSpec = {
      id: own ? `${identity}.${own.id}` : identity,
      actor: key,
      ...(own ? { placement: own.id } : {}),
      provider: behind.key,
      ...(local ? { providerId: local.id } : {}),
      ...(behind.linkName === linkName ? {} : { providerLinkName: behind.linkName }),
      contractId,
      linkName,
      values: { ...own?.env, ...options.values },
      ...(options.config && options.config.length > 0 ? { config: options.config } : {}),
      revision: 0,
    };
    await this.#values.refresh(spec);
    const problem = sizeProblem(this.#values.effective(spec).values);
    if (problem !== undefined) throw fail("LINK_VALUES_INVALID", spec.provider, problem);
    if (local) return this.#putHere(spec, local);
    if (own) {
      const why = `${own.module.claims.name} has configuration of its own, which only providers of its own host take`;
      throw fail("LINK_VALUES_INVALID", spec.provider, why);
    }
    let urls: readonly string[] = [];
    if (behind.host !== undefined && this.#putAt) urls = await this.#putElsewhere(behind.host, spec);
    else await this.#inTurn(spec, async () => void (await this.#book.put(spec)));
    await this.#follow(spec.id);
    if (behind.host === undefined) this.#tell("linkdef_set", spec);
    return { ...(this.#parts.wanted.links.get(spec.id) ?? { spec }), urls };
  }

  /** The provider checks and opens it, then everybody may know. */
  #putHere(spec: LinkSpec, local: ProviderSpec): Promise<LinkRecord> {
    return this.#inTurn(spec, async () => {
      const { wanted, fleet } = this.#parts;
      // It may have been swapped while this waited for its turn.
      const now = wanted.provider(local.id)?.spec;
      if (!now) throw fail("PROVIDER_ABSENT", local.name);
      const put = { ...spec, provider: now.key, providerId: now.id };
      const marks = this.#values.marks(put);
      const status = await fleet.apply({ type: "put-link", link: this.#values.effective(put) });
      if (spec.placement === undefined) {
        try {
          this.#took(await this.#book.put(put), now.id);
        } catch (error) {
          await this.#takeBack(put);
          throw error;
        }
      }
      this.#values.took(spec.id, marks);
      const link: LinkRecord = { spec: put, urls: status?.urls ?? [] };
      wanted.links.set(spec.id, link);
      this.#tell("linkdef_set", put);
      return link;
    });
  }

  /** Answers where the link is served there. */
  async #putElsewhere(host: string, spec: LinkSpec): Promise<readonly string[]> {
    const { id, actor, provider, contractId, linkName, values, config } = spec;
    const answer = await this.#putAt?.(host, {
      actor,
      provider,
      contractId,
      linkName,
      values,
      ...(config ? { config } : {}),
    });
    await this.#book.refresh(id);
    const { urls } = answer ?? {};
    return Array.isArray(urls) ? urls.filter((url) => typeof url === "string") : [];
  }

  /** What could not be shared does not stand here either. */
  async #takeBack({ id }: LinkSpec): Promise<void> {
    const { wanted, fleet } = this.#parts;
    const before = wanted.links.get(id)?.spec;
    try {
      if (before) await fleet.apply({ type: "put-link", link: this.#values.effective(before) });
      else await fleet.apply({ type: "drop-link", id });
    } catch {
      // Why it could not be shared is what its caller hears.
    }
  }

  /** Links that use a named configuration. */
  using(name: string): readonly LinkRecord[] {
    return [...this.#parts.wanted.links.values()].filter(({ spec }) => spec.config?.includes(name));
  }

  /** Links that use a configuration take effect with its values of now, once for each change that they have not taken up. */
  async configurationChanged(name: string): Promise<void> {
    await Promise.all(
      this.using(name).map(({ spec }) =>
        spec.placement === undefined
          ? this.#follow(spec.id)
          : this.#inTurn(spec, async () => {
              if (!this.#values.isTaken(spec)) await this.#putAgain(spec);
            }),
      ),
    );
  }

  /**
   * Takes a link back, with a handle only that of its placement. The contract may be said short, as
   * `keyvalue`. Answers how many links there were: none is no error.
   */
  async delete(actor: ActorHandle | string, contractId: string, linkName: string = defaultLinkName): Promise<number> {
    const key = linkedKey(this.#parts, actor);
    const contract = canonicalContract(contractId);
    const isMeant = (each: string) => canonicalContract(each) === contract || shortContract(each) === contractId;
    const meant = [...this.#parts.wanted.links.values()].filter(
      ({ spec }) =>
        spec.actor === key &&
        isMeant(spec.contractId) &&
        spec.linkName === linkName &&
        (spec.placement === undefined || typeof actor === "string" || spec.placement === actor.placement),
    );
    for (const { spec } of meant) await this.#delete(spec);
    return meant.length;
  }

  /** Links of one placement go with it: no other could use them. */
  async deleteOwn(placement: string): Promise<void> {
    for (const { spec } of this.#parts.wanted.links.values())
      if (spec.placement === placement) await this.#delete(spec);
  }

  /** Links that were put before the actor ran take effect with what it is now. One that cannot is told, and stays as it was. */
  async renew(key: string): Promise<void> {
    for (const { spec } of this.#parts.wanted.links.values()) {
      if (spec.actor === key && !spec.placement && spec.providerId !== undefined) await this.#renew(spec);
    }
  }

  /** Puts one link again as it stands, so that its provider gets the secrets of now. */
  async renewOne(id: string): Promise<void> {
    const link = this.#parts.wanted.links.get(id)?.spec;
    if (link?.providerId !== undefined) await this.#renew(link);
  }

  /** A provider runs here now: it gets the links that mean it. */
  async providerStarted(started: ProviderSpec): Promise<void> {
    const ids = [...this.#book.all()].filter(({ provider }) => provider === started.key).map(({ id }) => id);
    await Promise.all([...new Set(ids)].map((id) => this.#follow(id)));
    for (const { spec } of this.#parts.wanted.links.values()) {
      if (spec.placement === undefined || spec.providerId !== undefined || this.#behind(spec) !== started) continue;
      await this.#renew({ ...spec, providerId: started.id });
    }
  }

  /** A provider runs here no more: its links stay, unless nobody could ever stand behind them again. */
  async providerStopped({ id: instance }: ProviderSpec, throwAway: boolean): Promise<void> {
    const { wanted } = this.#parts;
    for (const [id, { spec }] of wanted.links) {
      if (spec.providerId !== instance) continue;
      wanted.links.set(id, { spec: { ...spec, providerId: undefined }, urls: [] });
      this.#applied.delete(id);
      if (throwAway) await this.#delete(spec);
      else if (spec.placement === undefined) await this.#follow(id);
    }
  }

  /**
   * In the turn of a provider that has been swapped: its links are those of `to`. Everybody is told,
   * where that means another key.
   */
  async moved(from: ProviderSpec, to: ProviderSpec, urls: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const { wanted, logger } = this.#parts;
    const moved = [...wanted.links.values()].filter(({ spec }) => spec.providerId === from.id);
    for (const { spec, urls: before } of moved) {
      const now = { ...spec, provider: to.key, providerId: to.id };
      wanted.links.set(spec.id, { spec: now, urls: urls.get(spec.id) ?? before });
    }
    for (const { spec } of moved) {
      if (spec.placement !== undefined) continue;
      const now = { ...spec, provider: to.key, providerId: to.id };
      try {
        const stored = from.key === to.key ? this.#book.get(spec.id) : await this.#book.put(now);
        if (stored) this.#took(stored, to.id);
        if (from.key !== to.key) this.#tell("linkdef_set", now);
      } catch (error) {
        logger.warn(`the lattice is not told that ${nameOf(now)} leads to ${to.name} now: ${describe(error)}`);
      }
    }
  }

  /** In the turn of a provider that went to another host, where it has `key`. Answers its links. */
  given(from: ProviderSpec, key: string): readonly LinkSpec[] {
    const { wanted } = this.#parts;
    const moved = [...wanted.links.values()].filter(({ spec }) => spec.providerId === from.id);
    return moved.map(({ spec }) => {
      const now: LinkSpec = { ...spec, provider: key, providerId: undefined };
      wanted.links.set(spec.id, { spec: now, urls: [] });
      this.#await(spec.id, key);
      return now;
    });
  }

  /** Everybody is told where these links lead now. */
  async tell(links: readonly LinkSpec[]): Promise<void> {
    for (const link of links) {
      try {
        await this.#book.put(link);
        this.#tell("linkdef_set", link);
      } catch (error) {
        this.#parts.logger.warn(
          `the lattice is not told that ${nameOf(link)} leads to ${link.provider} now: ${describe(error)}`,
        );
      }
    }
  }

  /** In the turn of a provider that came from another host with these links. */
  taken(links: readonly LinkRecord[]): void {
    for (const link of links) {
      this.#parts.wanted.links.set(link.spec.id, link);
      this.#await(link.spec.id, link.spec.provider);
    }
  }

  /** A link leads to `key` here already: what is stored of it counts again once it says so too. */
  #await(id: string, key: string): void {
    const stored = this.#book.get(id);
    if (stored === undefined || stored.provider === key) this.#applied.delete(id);
    else this.#took(stored, undefined);
  }

  #renew(link: LinkSpec): Promise<void> {
    return this.#inTurn(link, () => this.#putAgain(link));
  }

  async #putAgain(link: LinkSpec): Promise<void> {
    const { wanted, fleet, logger } = this.#parts;
    const held = wanted.links.get(link.id);
    // It may have been swapped meanwhile.
    const behind = wanted.provider(link.providerId ?? "")?.spec;
    if (!held || !behind) return;
    const now = { ...held.spec, provider: behind.key, providerId: behind.id };
    const marks = this.#values.marks(now);
    try {
      const status = await fleet.apply({ type: "put-link", link: this.#values.effective(now) });
      this.#values.took(link.id, marks);
      wanted.links.set(link.id, { spec: now, urls: status?.urls ?? held.urls });
    } catch (error) {
      logger.warn(`${nameOf(now)} is not renewed: ${describe(error)}`);
      wanted.links.set(link.id, { ...held, problem: describe(error) });
    }
  }

  #delete(link: LinkSpec): Promise<void> {
    return this.#inTurn(link, async () => {
      const { wanted, fleet } = this.#parts;
      if (!wanted.links.has(link.id)) return;
      if (link.placement === undefined) await this.#book.delete(link.id);
      await fleet.apply({ type: "drop-link", id: link.id });
      wanted.links.delete(link.id);
      this.#applied.delete(link.id);
      this.#values.forget(link.id);
      this.#tell("linkdef_deleted", link);
    });
  }

  /** Makes what the shared state says of one link true here. Safe at any moment, any number of times. */
  async #follow(id: string): Promise<void> {
    const stored = this.#book.get(id);
    const behind = stored && this.#behind(stored);
    await this.#inTurn({ id, ...(behind && { providerId: behind.id }) }, async () => {
      const now = this.#book.get(id);
      if (!now) return this.#forget(id);
      // Its provider came or went while this waited for its turn: again, in the right one.
      if (this.#behind(now)?.id !== behind?.id) return this.#again(id);
      await this.#apply(now, behind);
    });
  }

  /** Whatever it meets was told already, but for a host that has stopped. */
  #again(id: string): void {
    this.#follow(id).catch((error: unknown) => {
      this.#parts.logger.debug(`link ${id} is not followed: ${describe(error)}`);
    });
  }

  async #apply(stored: KnownLink, behind: ProviderSpec | undefined): Promise<void> {
    const { wanted, fleet, logger } = this.#parts;
    const isApplied = this.#applied.get(stored.id) === stamp(stored, behind?.id);
    if (isApplied && this.#values.isTaken(stored)) return;
    const { revision: _revision, ...link } = stored;
    const spec: LinkSpec = { ...link, ...(behind && { providerId: behind.id }), revision: 0 };
    const marks = this.#values.marks(stored);
    try {
      const status = await fleet.apply({ type: "put-link", link: this.#values.effective(spec) });
      wanted.links.set(stored.id, { spec, urls: status?.urls ?? [] });
      this.#values.took(stored.id, marks);
    } catch (error) {
      const problem = describe(error);
      logger.warn(`${nameOf(spec)} does not take effect here: ${problem}`);
      wanted.links.set(stored.id, { ...(wanted.links.get(stored.id) ?? { spec, urls: [] }), problem });
    }
    this.#took(stored, behind?.id);
  }

  async #forget(id: string): Promise<void> {
    const { wanted, fleet } = this.#parts;
    const held = wanted.links.get(id);
    if (!held || held.spec.placement !== undefined) return;
    await fleet.apply({ type: "drop-link", id });
    wanted.links.delete(id);
    this.#applied.delete(id);
    this.#values.forget(id);
  }

  #took(stored: KnownLink, provider: string | undefined): void {
    this.#applied.set(stored.id, stamp(stored, provider));
  }

  /** Who provides here what a stored link means. */
  #behind({ provider, linkName, providerLinkName = linkName }: StoredLink): ProviderSpec | undefined {
    for (const { spec } of this.#parts.wanted.providers.values())
      if (spec.key === provider && spec.linkName === providerLinkName) return spec;
    return undefined;
  }

  /** Names of values are told, never what they say. */
  #tell(event: "linkdef_set" | "linkdef_deleted", link: LinkSpec): void {
    this.#parts.events.emit(
      event,
      linkEventData(link.id, link, { clear: this.#parts.config.membership.clearLinkValues }),
    );
  }

  #inTurn<T>({ id, providerId }: Pick<LinkSpec, "id" | "providerId">, work: () => Promise<T>): Promise<T> {
    const { turns } = this.#parts;
    const own = () => turns.take(id, work);
    return providerId === undefined ? own() : turns.take(slotOf(providerId), own);
  }
}

function stamp({ revision }: KnownLink, provider = "-"): string {
  return `${revision} ${provider}`;
}

function nameOf({ linkName, actor, contractId }: LinkSpec): string {
  return `link "${linkName}" of ${actor} to ${contractId}`;
}
