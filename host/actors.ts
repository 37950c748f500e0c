import { randomUUID } from "node:crypto";
import {
  type ActorModule,
  type GuestLimits,
  type PreparedModule,
  type PrepareOptions,
  prepare,
} from "../actors/index.ts";
import {
  type ActorClaims,
  checkDates,
  compareRevisions,
  describe,
  fail,
  KeyPair,
  printTime,
} from "../lattice/index.ts";
import type { Annotations } from "./annotations.ts";
import type { PlacementSpec } from "./engine-messages.ts";
import { toldScale, toldStart, toldStartFailed, toldStop, toldUpdate } from "./event-data.ts";
import { limitProblem } from "./limits.ts";
import type { Links } from "./links.ts";
import { askPolicyToStart, type HostParts } from "./parts.ts";
import { placementLimits } from "./placement-limits.ts";
import type { Providers } from "./providers.ts";
import type { Trial } from "./swap-trial.ts";
import { callFigures, updateTrial } from "./update-trial.ts";
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

/**
 * What an update may not change. Source: lattice protocol reference, section 12.
 */
export interface UpdateActorOptions {
  /** Only the placements that carry all of these. Default: every one of the actor. */
  readonly annotations?: Annotations;
  /** Refuses a module that is not newer than the running one, by revision and then by date of signature. Default false. */
  readonly onlyNewer?: boolean;
  /** Refuses a module of another issuer than the running one's. Default as `onlyNewer`. */
  readonly sameIssuer?: boolean;
  /** Refuses a module that claims other capabilities. Default false. */
  readonly sameCapabilities?: boolean;
  /**
   * How long the new module is watched, in milliseconds: the one before returns when too many of its calls fail.
   * Whatever else is asked of the actor meanwhile ends the trial, and the new one stays. Default 0: no trial.
   */
  readonly trialMs?: number;
}

/** What an update replaced, by the records that it changed. */
type Replaced = ReadonlyMap<PlacementRecord, PlacementRecord>;

/** The verbs of one host about actors. */
export class Actors {
  readonly #parts: HostParts;
  readonly #providers: Providers;
  readonly #links: Links;
  /** Of updates, by actor key. */
  readonly #trials = new Map<string, Trial>();
  #last = 0;
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
  load(bytes: Uint8Array, origin: string, options: PrepareOptions = {}): Promise<PreparedModule> {
    const { issuers, limits } = this.#parts.config;
    const development = this.#developmentKey?.seed;
    return this.#parts.loader.load(bytes, {
      origin,
      trust: {
        ...(issuers ? { issuers } : {}),
        maxModuleBytes: limits.moduleBytes,
        ...(development ? { development } : {}),
      },
      limits: { memoryBytes: limits.memoryBytes, ...options },
    });
  }

  /**
   * Runs an actor on this host.
   * @throws LatticeError ALREADY_RUNNING for the same key and annotations, ALIAS_TAKEN, ISSUER_NOT_ALLOWED,
   * TOKEN_EXPIRED, OPTION_OUT_OF_RANGE, POLICY_REFUSED, GUEST_START_FAILED.
   */
  async start(module: ActorModule | PreparedModule, options: StartActorOptions = {}): Promise<ActorHandle> {
    const given =
      options.instances === undefined ? options.limits : { instances: options.instances, ...options.limits };
    const limits = placementLimits(this.#parts.config.limits, given);
    const prepared = this.#admit(module, limits.memoryBytes);
    const reference = options.reference ?? (isPrepared(module) ? prepared.claims.name : module.origin);
    this.#trials.get(prepared.key)?.conclude();
    return this.#parts.turns.take(prepared.key, () => this.#start(prepared, limits, options, reference));
  }

  async #start(
    prepared: PreparedModule,
    limits: GuestLimits,
    { annotations = {}, env = {} }: StartActorOptions,
    reference: string,
  ): Promise<ActorHandle> {
    const { claims } = prepared;
    for (const other of this.#parts.wanted.placements.values()) {
      if (other.spec.module.key === prepared.key && sameTexts(other.annotations, annotations)) {
        throw fail("ALREADY_RUNNING", `${claims.name} (${prepared.key})`);
      }
      this.#checkAlias(prepared, other);
    }
    this.#checkAliasElsewhere(prepared);
    const spec: PlacementSpec = {
      id: randomUUID(),
      since: this.#now(),
      module: prepared,
      limits: claims.portableProvider ? { ...limits, instances: 1 } : limits,
      env,
      places: claims.portableProvider ? [this.#parts.fleet.home] : this.#parts.fleet.actorPlaces,
    };
    const record: PlacementRecord = {
      spec,
      annotations,
      reference,
      startedAt: spec.since,
    };
    // Claimed at once, so that no other actor takes its alias meanwhile.
    this.#parts.wanted.placements.set(spec.id, record);
    try {
      await this.#askPolicy(prepared);
      await this.#parts.fleet.apply({ type: "put-placement", spec });
      if (claims.portableProvider) await this.#providers.putPortable(record);
    } catch (error) {
      this.#parts.wanted.placements.delete(spec.id);
      await this.#parts.fleet.apply({ type: "drop-placement", id: spec.id }).catch(() => {});
      const { instances } = spec.limits;
      const failed = { key: prepared.key, reference, annotations, instances };
      this.#parts.events.tell(toldStartFailed(this.#parts.id, failed, describe(error)));
      throw error;
    }
    this.#parts.events.tell(toldStart(this.#parts.id, record));
    await this.#links.renew(prepared.key);
    return actorHandle(record);
  }

  /**
   * Replaces an actor's module under the same key: the new one is warm before the old one drains.
   * @throws LatticeError UPDATE_REFUSED when the key differs; UPDATE_RETURNED when it failed its trial.
   */
  async update(
    target: ActorHandle | string,
    module: ActorModule | PreparedModule,
    reference?: string,
    options: UpdateActorOptions = {},
  ): Promise<ActorHandle> {
    const running = this.#parts.wanted.findActor(target, options.annotations).spec;
    const { key } = running.module;
    const prepared = this.#admit(module, running.limits.memoryBytes);
    const { name, portableProvider } = prepared.claims;
    if (key !== prepared.key)
      throw fail(
        "UPDATE_REFUSED",
        running.module.claims.name,
        `its key is ${key}, that of the new module, ${name}, is ${prepared.key}`,
      );
    if (portableProvider !== running.module.claims.portableProvider)
      throw fail(
        "UPDATE_REFUSED",
        name,
        "an actor cannot become a portable provider, nor a portable provider an actor",
      );
    const origin = reference ?? (isPrepared(module) ? undefined : module.origin);
    this.#trials.get(key)?.conclude();
    return this.#parts.turns.take(key, async () => {
      const records = this.#records(key, target, options.annotations);
      for (const { spec } of records) checkUpdate(spec.module.claims, prepared.claims, options);
      const { trialMs = 0 } = options;
      if (trialMs === 0) {
        await this.#update(records, prepared, origin);
      } else {
        const ids = records.map(({ spec }) => spec.id);
        const trial = updateTrial(this.#parts.fleet, ids, await callFigures(this.#parts.fleet, ids));
        this.#trials.set(key, trial);
        try {
          await this.#try(trial, trialMs, await this.#update(records, prepared, origin));
        } finally {
          this.#trials.delete(key);
        }
      }
      return actorHandle(records[0]!);
    });
  }

  /** @throws LatticeError UPDATE_RETURNED when what was replaced runs again. */
  async #try(trial: Trial, trialMs: number, replaced: Replaced): Promise<void> {
    const [[first, before] = []] = [...replaced];
    if (!first || !before) return;
    const { key, claims } = first.spec.module;
    const why = await trial.run(trialMs);
    if (why === undefined) return;
    const { events, fleet, id } = this.#parts;
    const told = { public_key: key, revision: claims.revision ?? 0, instance_id: first.spec.id };
    for (const [record, { spec, reference }] of replaced) {
      await fleet.apply({ type: "put-placement", spec });
      const failed = { ...record };
      Object.assign(record, { spec, reference });
      events.tell(toldUpdate(id, record, failed));
    }
    events.emit("actor_update_failed", { ...told, reason: why, error: why });
    throw fail("UPDATE_RETURNED", claims.name, revisionText(claims), revisionText(before.spec.module.claims), why);
  }

  /** All of them or, when one cannot take the new module, none. */
  async #update(records: readonly PlacementRecord[], prepared: PreparedModule, origin?: string): Promise<Replaced> {
    const { wanted, fleet, events } = this.#parts;
    const { key, claims } = prepared;
    const before = new Map<PlacementRecord, PlacementSpec>();
    try {
      for (const other of wanted.placements.values()) this.#checkAlias(prepared, other);
      this.#checkAliasElsewhere(prepared);
      await this.#askPolicy(prepared);
      for (const record of records) {
        const sameAlias = record.spec.module.claims.callAlias === claims.callAlias;
        const next = { ...record.spec, module: prepared, ...(sameAlias ? {} : { since: this.#now() }) };
        await fleet.apply({ type: "put-placement", spec: next, mustBeWell: true });
        before.set(record, record.spec);
        record.spec = next;
      }
    } catch (error) {
      for (const [record, spec] of before) {
        await fleet.apply({ type: "put-placement", spec }).catch(() => {});
        record.spec = spec;
      }
      const told = { public_key: key, revision: claims.revision ?? 0, instance_id: records[0]?.spec.id ?? "" };
      events.emit("actor_update_failed", { ...told, reason: describe(error), error: describe(error) });
      throw error;
    }
    const replaced = new Map<PlacementRecord, PlacementRecord>();
    for (const record of records) {
      const held: PlacementRecord = { ...record, spec: before.get(record) ?? record.spec };
      replaced.set(record, held);
      record.reference = origin ?? record.reference;
      events.tell(toldUpdate(this.#parts.id, record, held));
    }
    return replaced;
  }

  /** Ends all trials, for a host that stops: the new modules stay. */
  settle(): void {
    for (const trial of this.#trials.values()) trial.conclude();
  }

  /** Instances per engine, 1 to the host's limit; calls beyond them wait. Of the placements with all of `annotations`. */
  async scale(target: ActorHandle | string, instances: number, annotations?: Annotations): Promise<void> {
    const problem = limitProblem("instances", instances);
    if (problem !== undefined) throw fail("OPTION_OUT_OF_RANGE", "instances", instances, problem);
    const { wanted, fleet, events, turns } = this.#parts;
    const { key, claims } = wanted.findActor(target, annotations).spec.module;
    if (claims.portableProvider && instances !== 1)
      throw fail("OPTION_OUT_OF_RANGE", "instances", instances, `1 for ${claims.name}, a portable provider`);
    this.#trials.get(key)?.conclude();
    await turns.take(key, async () => {
      for (const record of this.#records(key, target, annotations)) {
        const before = record.spec.limits.instances;
        await fleet.apply({ type: "resize-placement", id: record.spec.id, instances });
        record.spec = { ...record.spec, limits: { ...record.spec.limits, instances } };
        events.tell(toldScale(this.#parts.id, record, before));
      }
    });
  }

  /**
   * Lets the calls in flight finish, then stops the placements with all of `annotations`. Links stay, but
   * for those of a placement with configuration of its own.
   */
  async stop(target: ActorHandle | string, annotations?: Annotations): Promise<void> {
    const { key } = this.#parts.wanted.findActor(target, annotations).spec.module;
    this.#trials.get(key)?.conclude();
    await this.#parts.turns.take(key, async () => {
      for (const record of this.#records(key, target, annotations)) await this.#stop(record);
    });
  }

  async #stop(record: PlacementRecord): Promise<void> {
    const { spec } = record;
    const { wanted, fleet, logs, events, config } = this.#parts;
    const { id, module } = spec;
    const portable = [...wanted.providers.values()].find(
      ({ spec: { source } }) => source.kind === "portable" && source.placement === id,
    );
    if (portable) await this.#providers.stop(portable.spec.id);
    // In every engine before it is dropped in one: its calls in flight may need the others.
    await fleet.apply({ type: "drain-placement", id, drainMs: config.limits.drainMs });
    await this.#links.deleteOwn(id);
    await fleet.apply({ type: "drop-placement", id });
    wanted.placements.delete(id);
    logs.stop(id);
    const remaining = [...wanted.placements.values()]
      .filter(({ spec: other }) => other.module.key === module.key)
      .reduce((sum, { spec: other }) => sum + other.limits.instances, 0);
    events.tell(toldStop(this.#parts.id, record, remaining));
  }

  /** Those of `key` that `target` means now that it is its turn. */
  #records(key: string, target: ActorHandle | string, annotations?: Annotations): readonly PlacementRecord[] {
    return this.#parts.wanted.findPlacements(target, annotations).filter(({ spec }) => spec.module.key === key);
  }

  /** Ends the loader thread. */
  async close(): Promise<void> {
    await this.#parts.loader.stop();
  }

  /** What the host itself checks of every module, whoever verified it. */
  #admit(module: ActorModule | PreparedModule, memoryBytes: number): PreparedModule {
    const { claims } = module;
    checkDates(claims);
    const { issuers } = this.#parts.config;
    const trusted = claims.issuer === this.#developmentKey?.publicKey || !issuers || issuers.includes(claims.issuer);
    if (!trusted) throw fail("ISSUER_NOT_ALLOWED", claims.name, claims.issuer);
    const prepared = isPrepared(module) ? module : prepare(module, { memoryBytes });
    if (prepared.memoryBytes > memoryBytes)
      throw fail(
        "MODULE_LIMIT",
        claims.name,
        `it was loaded with ${prepared.memoryBytes} bytes of memory, of which it may have ${memoryBytes}`,
      );
    return prepared;
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

  /** The same where the first actor runs on another host, as far as that is known here by now. */
  #checkAliasElsewhere({ claims, key }: PreparedModule): void {
    const alias = claims.callAlias;
    const { tables } = this.#parts.fleet.caller;
    if (!alias || tables.keyOfAlias(alias) === key) return;
    const holder = tables.peers.holderOfAlias(alias);
    if (holder && holder.key !== key && holder.issuer !== claims.issuer)
      throw fail("ALIAS_TAKEN", alias, holder.name, claims.name);
  }

  /** Milliseconds since 1970, always later than before, whatever the clock does. */
  #now(): number {
    return (this.#last = Math.max(Date.now(), this.#last + 1));
  }
}

/** @throws LatticeError REVISION_NOT_GREATER, UPDATE_REFUSED. */
function checkUpdate(held: ActorClaims, asked: ActorClaims, options: UpdateActorOptions): void {
  const { onlyNewer = false, sameIssuer = onlyNewer, sameCapabilities = false } = options;
  if (onlyNewer && compareRevisions(asked, held) <= 0)
    throw fail("REVISION_NOT_GREATER", held.name, revisionText(held), revisionText(asked));
  if (sameIssuer && held.issuer !== asked.issuer)
    throw fail("UPDATE_REFUSED", held.name, `${asked.issuer} signed the new module, ${held.issuer} the running one`);
  const differs = held.capabilities.toSorted().join() !== asked.capabilities.toSorted().join();
  if (sameCapabilities && differs) throw fail("UPDATE_REFUSED", held.name, "the new module claims other capabilities");
}

function revisionText({ revision, issuedAt }: ActorClaims): string {
  return `revision ${revision ?? 0} of ${printTime(issuedAt)}`;
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
