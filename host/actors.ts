import { randomUUID } from "node:crypto";
import { type ActorModule, type GuestLimits, type PreparedModule, prepare } from "../actors/index.ts";
import { checkDates, defaultLinkName, fail, KeyPair, localInvocation } from "../lattice/index.ts";
import type { PlacementSpec, ProviderSpec } from "./engine-messages.ts";
import type { Links } from "./links.ts";
import { askPolicyToStart, type HostParts } from "./parts.ts";
import { describePortable } from "./portable-provider.ts";
import type { Providers } from "./providers.ts";
import { Turns } from "./turns.ts";
import { type ActorHandle, actorHandle, isPrepared, type PlacementRecord } from "./wanted.ts";

export interface StartActorOptions {
  /** Most instances at once in each engine. Default: the host's limit. */
  readonly instances?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly limits?: Partial<GuestLimits>;
  /** Configuration of this placement, added to the values of its links. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the bytes came from, for the inventory. Default: the module's own origin. */
  readonly reference?: string;
}

/** The verbs of one host about actors. */
export class Actors {
  readonly #parts: HostParts;
  readonly #providers: Providers;
  readonly #links: Links;
  /** What is asked of one actor key is done in the order in which it was asked. */
  readonly #turns = new Turns();
  #started = 0;
  /** Signs unsigned modules on load; made anew for each start, known to nobody else. */
  readonly #developmentKey: KeyPair | undefined;

  constructor(parts: HostParts, providers: Providers, links: Links) {
    this.#parts = parts;
    this.#providers = providers;
    this.#links = links;
    this.#developmentKey = parts.config.development ? KeyPair.generate("account") : undefined;
  }

  /**
   * Verifies, rewrites and compiles a module on the loader thread (in this thread without engines).
   * @throws LatticeError as `ActorModule.fromBytes`.
   */
  load(bytes: Uint8Array, origin: string): Promise<PreparedModule> {
    const { issuers, limits } = this.#parts.config;
    const development = this.#developmentKey?.seed;
    return this.#parts.loader.load(bytes, {
      origin,
      trust: {
        ...(issuers ? { issuers } : {}),
        maxModuleBytes: limits.moduleBytes,
        ...(development ? { development } : {}),
      },
      limits: { memoryBytes: limits.memoryBytes },
    });
  }

  /**
   * Runs an actor on this host.
   * @throws LatticeError ALREADY_RUNNING for the same key and annotations, ALIAS_TAKEN, ISSUER_NOT_ALLOWED,
   * TOKEN_EXPIRED, POLICY_REFUSED, GUEST_START_FAILED.
   */
  async start(module: ActorModule | PreparedModule, options: StartActorOptions = {}): Promise<ActorHandle> {
    const prepared = this.#admit(module);
    const reference = options.reference ?? (isPrepared(module) ? prepared.claims.name : module.origin);
    return this.#turns.take(prepared.key, () => this.#start(prepared, options, reference));
  }

  async #start(prepared: PreparedModule, options: StartActorOptions, reference: string): Promise<ActorHandle> {
    const { claims } = prepared;
    const annotations = options.annotations ?? {};
    for (const other of this.#parts.wanted.placements.values()) {
      if (other.spec.module.key === prepared.key && sameTexts(other.annotations, annotations)) {
        throw fail("ALREADY_RUNNING", `${claims.name} (${prepared.key})`);
      }
      this.#checkAlias(prepared, other);
    }
    const spec: PlacementSpec = {
      id: randomUUID(),
      order: ++this.#started,
      module: prepared,
      limits: this.#guestLimits(prepared, options),
      env: options.env ?? {},
      places: claims.portableProvider ? [this.#parts.fleet.home] : this.#parts.fleet.actorPlaces,
    };
    const record: PlacementRecord = {
      spec,
      annotations,
      reference,
      startedAt: Date.now(),
    };
    // Claimed at once, so that no other actor takes its alias meanwhile.
    this.#parts.wanted.placements.set(spec.id, record);
    try {
      await this.#askPolicy(prepared);
      await this.#parts.fleet.apply({ type: "put-placement", spec });
      if (claims.portableProvider) await this.#startPortable(record);
    } catch (error) {
      this.#parts.wanted.placements.delete(spec.id);
      await this.#parts.fleet.apply({ type: "drop-placement", id: spec.id }).catch(() => {});
      this.#parts.events.emit("actor_start_failed", {
        actor_ref: record.reference,
        error: error instanceof Error ? error.message : "",
      });
      throw error;
    }
    this.#parts.events.emit("actor_started", {
      public_key: prepared.key,
      name: claims.name,
      image_ref: record.reference,
      annotations,
    });
    await this.#links.renew(prepared.key);
    return actorHandle(record);
  }

  /**
   * Replaces an actor's module under the same key: the new one is warm before the old one drains.
   * @throws LatticeError TOKEN_KIND when the key differs.
   */
  async update(
    target: ActorHandle | string,
    module: ActorModule | PreparedModule,
    reference?: string,
  ): Promise<ActorHandle> {
    const prepared = this.#admit(module);
    const { key } = this.#parts.wanted.findActor(target).spec.module;
    if (key !== prepared.key) {
      const why = `its key is ${prepared.key}, the running actor's is ${key}`;
      throw fail("TOKEN_KIND", prepared.claims.name, why);
    }
    const origin = reference ?? (isPrepared(module) ? undefined : module.origin);
    return this.#turns.take(key, () => this.#update(target, prepared, origin));
  }

  async #update(target: ActorHandle | string, prepared: PreparedModule, origin?: string): Promise<ActorHandle> {
    for (const other of this.#parts.wanted.placements.values()) this.#checkAlias(prepared, other);
    await this.#askPolicy(prepared);
    const records = this.#parts.wanted.findPlacements(target);
    for (const record of records) {
      const next = { ...record.spec, module: prepared };
      await this.#parts.fleet.apply({ type: "put-placement", spec: next });
      record.spec = next;
      if (prepared.claims.portableProvider) await this.#links.renewBehind(next.id);
      record.reference = origin ?? record.reference;
    }
    this.#parts.events.emit("actor_updated", { public_key: prepared.key, revision: prepared.claims.revision ?? 0 });
    return actorHandle(records[0]);
  }

  /** Instances per engine, 1 to the host's limit; calls beyond them wait. */
  async scale(target: ActorHandle | string, instances: number): Promise<void> {
    if (!Number.isInteger(instances) || instances < 1 || instances > 10_000)
      throw fail("OPTION_OUT_OF_RANGE", "instances", instances, "a whole number from 1 to 10000");
    const { wanted, fleet, events } = this.#parts;
    const { key } = wanted.findActor(target).spec.module;
    await this.#turns.take(key, async () => {
      for (const record of wanted.findPlacements(target)) {
        await fleet.apply({ type: "resize-placement", id: record.spec.id, instances });
        record.spec = { ...record.spec, limits: { ...record.spec.limits, instances } };
        events.emit("actor_scaled", { public_key: key, max_instances: instances });
      }
    });
  }

  /** Lets the calls in flight finish, then stops. Links stay. */
  async stop(target: ActorHandle | string): Promise<void> {
    const { key } = this.#parts.wanted.findActor(target).spec.module;
    await this.#turns.take(key, () => this.#stop(target));
  }

  async #stop(target: ActorHandle | string): Promise<void> {
    for (const { spec } of this.#parts.wanted.findPlacements(target)) {
      const portable = [...this.#parts.wanted.providers.values()].find(
        ({ spec: { source } }) => source.kind === "portable" && source.placement === spec.id,
      );
      if (portable) await this.#providers.stop(portable.spec.id);
      // In every engine before it is dropped in one: its calls in flight may need the others.
      await this.#parts.fleet.apply({
        type: "drain-placement",
        id: spec.id,
        drainMs: this.#parts.config.limits.drainMs,
      });
      await this.#parts.fleet.apply({ type: "drop-placement", id: spec.id });
      this.#parts.wanted.placements.delete(spec.id);
      this.#parts.logs.stop(spec.id);
      this.#parts.events.emit("actor_stopped", { public_key: spec.module.key, name: spec.module.claims.name });
    }
  }

  /** Ends the loader thread. */
  async close(): Promise<void> {
    await this.#parts.loader.stop();
  }

  /** A portable provider's module is a placement that also stands behind a contract. */
  async #startPortable(record: PlacementRecord): Promise<void> {
    const { id, module } = record.spec;
    const own = await describePortable((operation, payload, deadline, hops) =>
      this.#parts.fleet.caller.invoke(
        localInvocation(
          { kind: "operator", name: "host" },
          { kind: "actor", key: module.key, placement: id },
          operation,
          payload,
          deadline,
          hops,
          undefined,
        ),
      ),
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
    await this.#providers.put(spec, record.reference, record.annotations);
  }

  /** What the host itself checks of every module, whoever verified it. */
  #admit(module: ActorModule | PreparedModule): PreparedModule {
    const { claims } = module;
    checkDates(claims);
    const { issuers, limits } = this.#parts.config;
    const trusted = claims.issuer === this.#developmentKey?.publicKey || !issuers || issuers.includes(claims.issuer);
    if (!trusted) throw fail("ISSUER_NOT_ALLOWED", claims.name, claims.issuer);
    return isPrepared(module) ? module : prepare(module, { memoryBytes: limits.memoryBytes });
  }

  /** An update is asked about as a start is: other code, and perhaps another issuer. */
  #askPolicy({ key, claims: { name, issuer, capabilities } }: PreparedModule): Promise<void> {
    return askPolicyToStart(this.#parts, { action: "start_actor", actor: key, name, issuer, capabilities });
  }

  /** The first actor keeps its alias; the same issuer's next ones run without it, another issuer's are refused. */
  #checkAlias({ claims, key }: PreparedModule, { spec: { module: held } }: PlacementRecord): void {
    const alias = claims.callAlias;
    if (alias && held.claims.callAlias === alias && held.key !== key && held.claims.issuer !== claims.issuer) {
      throw fail("ALIAS_TAKEN", alias, held.claims.name, claims.name);
    }
  }

  #guestLimits(module: PreparedModule, { instances, limits: own }: StartActorOptions): GuestLimits {
    const { memoryBytes, cpuMs, instances: most, queue, idleMs, startupMs, payloadBytes } = this.#parts.config.limits;
    const all = { memoryBytes, cpuMs, instances: instances ?? most, queue, idleMs, startupMs, payloadBytes, ...own };
    return module.claims.portableProvider ? { ...all, instances: 1 } : all;
  }
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
