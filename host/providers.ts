import { randomUUID } from "node:crypto";
import { findBuiltin, type Provider, withoutProcess } from "../capabilities/index.ts";
import { defaultLinkName, describe, fail, KeyPair, localInvocation } from "../lattice/index.ts";
import { claimsOfArchive } from "./archives/archive-claims.ts";
import { type ProviderSpec, slotOf } from "./engine-messages.ts";
import { aboutProvider, aboutStoppedProvider } from "./event-data.ts";
import type { Links } from "./links.ts";
import { askPolicyToStart, type HostParts } from "./parts.ts";
import { startRequest } from "./policy-ends.ts";
import { describePortable } from "./portable-provider.ts";
import { unknownReference } from "./unknown-reference.ts";
import { type PlacementRecord, type ProviderHandle, providerHandle, type ProviderRecord } from "./wanted.ts";

export interface StartProviderOptions {
  readonly linkName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Settings of the provider itself; a secret stands in them as a reference (`secret:...`). */
  readonly config?: Readonly<Record<string, string>>;
  /** Where it came from, for the inventory. Default: what was given. */
  readonly reference?: string;
  /** False refuses archives that are files of this host: for references that came from elsewhere. Default true. */
  readonly files?: boolean;
}

/** The verbs of one host about providers. */
export class Providers {
  readonly #parts: HostParts;
  readonly #links: Links;

  readonly #beforeStop: (slot: string) => Promise<unknown> | undefined;

  /** `beforeStop` settles, in the turn of a provider, what a swap has left open. */
  constructor(parts: HostParts, links: Links, beforeStop: (slot: string) => Promise<unknown> | undefined) {
    this.#parts = parts;
    this.#links = links;
    this.#beforeStop = beforeStop;
  }

  /**
   * Starts a provider: one of ours by reference (`builtin:keyvalue-memory`, or a contract id for our
   * default), which runs in the engines, or an object of the caller's, which runs in this thread.
   * @throws LatticeError PROVIDER_ABSENT, PROVIDER_CONFLICT, POLICY_REFUSED.
   */
  async start(provider: Provider | string, options: StartProviderOptions = {}): Promise<ProviderHandle> {
    const spec = this.describe(provider, options, randomUUID());
    return this.put(spec, options.reference ?? referenceOf(spec), options.annotations ?? {});
  }

  /**
   * What would run as `id`. An object is kept for its engine under that id.
   * @throws LatticeError BUILTIN_ABSENT, PROVIDER_BY_PATH, PROVIDER_IS_MODULE, PROVIDER_CONFLICT for an object that runs already.
   */
  describe(provider: Provider | string, options: Omit<StartProviderOptions, "annotations">, id: string): ProviderSpec {
    const { linkName = defaultLinkName, config = {} } = options;
    if (typeof provider === "string") {
      const builtin = findBuiltin(provider);
      if (!builtin) throw unknownReference(provider);
      const { key, name, contractId, stateful, inChild, reference } = builtin;
      const listens = withoutProcess(reference) === "builtin:httpserver";
      const { caller, home, actorPlaces } = this.#parts.fleet;
      // One process is enough, and outlives engines; but each engine has sockets of its own, and somebody behind them.
      const places = inChild && !listens ? [caller.place] : stateful ? [home] : actorPlaces;
      // The host's own bound, unless this provider was given one.
      const own = listens ? { body_bytes: String(this.#parts.config.limits.httpBodyBytes), ...config } : config;
      return { id, key, name, contractId, linkName, config: own, source: { kind: "builtin", reference }, places };
    }
    for (const [running, object] of this.#parts.fleet.objects) {
      const held = this.#parts.wanted.providers.get(running)?.spec;
      if (object === provider)
        throw fail("PROVIDER_CONFLICT", provider.contractId, held?.linkName ?? linkName, provider.name);
    }
    this.#parts.fleet.objects.set(id, provider);
    const claims = claimsOfArchive(provider);
    return {
      id,
      key: provider.key ?? KeyPair.generate("service").publicKey,
      name: provider.name,
      contractId: provider.contractId,
      linkName,
      config,
      source: { kind: "object" },
      ...(claims && { claims }),
      places: [this.#parts.fleet.caller.place],
    };
  }

  /**
   * Lets the calls in flight finish, closes what it opened, then stops. Its links stay for the next
   * provider of its key and link name, but for those of a throw-away key.
   */
  async stop(target: ProviderHandle | string, linkName?: string): Promise<void> {
    const { wanted, turns, fleet } = this.#parts;
    const slot = slotOf(wanted.findProvider(target, linkName).spec.id);
    const { spec, throwAway } = await turns.take(slot, async () => {
      const open = this.#beforeStop(slot);
      if (open) await open;
      // A swap may have come between.
      const { spec: now, annotations } = wanted.findProvider(slot);
      const nameless = now.source.kind === "object" && fleet.objects.get(now.id)?.key === undefined;
      await this.#stop(now, annotations);
      return { spec: now, throwAway: nameless };
    });
    await this.#links.providerStopped(spec, throwAway);
  }

  /** Finishes what it holds and takes no more calls; it and its links stay. */
  async drain(
    target: ProviderHandle | string,
    linkName?: string,
    drainMs: number = this.#parts.config.limits.drainMs,
  ): Promise<ProviderHandle> {
    const { wanted, turns, fleet } = this.#parts;
    const slot = slotOf(wanted.findProvider(target, linkName).spec.id);
    return turns.take(slot, async () => {
      const open = this.#beforeStop(slot);
      if (open) await open;
      const record = wanted.findProvider(slot);
      await fleet.apply({ type: "drain-provider", id: record.spec.id, drainMs });
      record.draining = true;
      return providerHandle(record);
    });
  }

  /**
   * Restarts one whose settings refer to secrets that have changed; its calls wait meanwhile. `false` while a swap
   * of it is under way: look again later.
   */
  async renew(id: string, isSwapped: (slot: string) => boolean): Promise<boolean> {
    const { wanted, turns, fleet } = this.#parts;
    const slot = slotOf(id);
    return turns.take(slot, async () => {
      if (isSwapped(slot)) return false;
      const spec = wanted.providers.get(id)?.spec;
      if (!spec) return true;
      await fleet.apply({ type: "hold-provider", id });
      try {
        await fleet.apply({ type: "renew-provider", spec });
      } finally {
        await fleet.apply({ type: "release-provider", id });
      }
      return true;
    });
  }

  async #stop(spec: ProviderSpec, annotations: Readonly<Record<string, string>>): Promise<void> {
    const { id, name } = spec;
    const { wanted, fleet, events, config } = this.#parts;
    if (!wanted.providers.has(id)) throw fail("PROVIDER_ABSENT", name);
    await fleet.apply({ type: "drop-provider", id, drainMs: config.limits.drainMs });
    wanted.providers.delete(id);
    fleet.objects.delete(id);
    events.emit("provider_stopped", { ...aboutStoppedProvider(this.#parts.id, spec, annotations), reason: "stop" });
  }

  /** A portable provider's module is a placement that also stands behind a contract. */
  async putPortable(record: PlacementRecord): Promise<void> {
    const { id, module } = record.spec;
    const { caller } = this.#parts.fleet;
    const operator = { kind: "operator", name: "host" } as const;
    const guest = { kind: "actor", key: module.key, placement: id } as const;
    const deadline = performance.now() + this.#parts.config.limits.callTimeoutMs;
    const own = await describePortable((operation, payload) =>
      caller.invoke(localInvocation(operator, guest, operation, payload, deadline, 0, undefined)),
    );
    const contractId = own?.id ?? module.claims.capabilities[0];
    if (contractId === undefined)
      throw fail("TOKEN_KIND", module.claims.name, "a portable provider must claim the contract that it provides");
    const spec: ProviderSpec = {
      id: randomUUID(),
      key: module.key,
      name: module.claims.name,
      contractId,
      linkName: defaultLinkName,
      config: {},
      source: { kind: "portable", placement: id },
      places: [this.#parts.fleet.home],
    };
    await this.put(spec, record.reference, record.annotations);
  }

  /**
   * Runs a provider that is described already.
   * @throws LatticeError PROVIDER_CONFLICT, POLICY_REFUSED, and what its start throws.
   */
  async put(
    spec: ProviderSpec,
    reference: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<ProviderHandle> {
    const handle = await this.#parts.turns.take(slotOf(spec.id), () => this.#put(spec, reference, annotations));
    await this.#links.providerStarted(spec);
    return handle;
  }

  async #put(
    spec: ProviderSpec,
    reference: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<ProviderHandle> {
    const { key, contractId, linkName } = spec;
    const record: ProviderRecord = { spec, annotations, reference, startedAt: Date.now() };
    try {
      for (const { spec: other } of this.#parts.wanted.providers.values()) {
        if (other.key === key && other.linkName === linkName)
          throw fail("PROVIDER_CONFLICT", contractId, linkName, other.name);
      }
      // Claimed at once, so that the same start coming twice is refused rather than run twice.
      this.#parts.wanted.providers.set(spec.id, record);
      await askPolicyToStart(this.#parts, startRequest(spec));
      await this.#parts.fleet.apply({ type: "put-provider", spec });
    } catch (error) {
      this.#parts.wanted.providers.delete(spec.id);
      this.#parts.fleet.objects.delete(spec.id);
      this.#parts.events.emit("provider_start_failed", {
        provider_ref: reference,
        link_name: linkName,
        error: describe(error),
      });
      throw error;
    }
    this.#parts.events.emit("provider_started", aboutProvider(this.#parts.id, record));
    return providerHandle(record);
  }
}

/** What a provider was made from, for people. */
export function referenceOf({ source, name }: ProviderSpec): string {
  return source.kind === "builtin" ? source.reference : `object:${name}`;
}
