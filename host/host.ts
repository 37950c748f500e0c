import { randomUUID } from "node:crypto";
import { type ActorModule, type GuestLimits, Loader, type PreparedModule, prepare } from "../actors/index.ts";
import { builtins, type Provider } from "../capabilities/index.ts";
import {
  canonicalContract,
  checkDates,
  contractAliases,
  defaultLinkName,
  fail,
  KeyPair,
  linkId,
  localInvocation,
  type TraceContext,
} from "../lattice/index.ts";
import type { LinkSpec, PlacementSpec, ProviderSpec } from "./engine-messages.ts";
import { extensionPaths, loadExtensions } from "./extensions.ts";
import { EventRing } from "./events.ts";
import { type Faces, openFaces } from "./faces.ts";
import { Fleet } from "./fleet.ts";
import { friendlyName } from "./friendly-name.ts";
import { LogBook } from "./log-ring.ts";
import { HostLogger } from "./logger.ts";
import { compileOptions, type HostConfig, type HostOptions } from "./options.ts";
import type { Policy, PolicyRequest } from "./policy.ts";
import { describePortable } from "./portable-provider.ts";
import {
  type ActorHandle,
  actorHandle,
  isPrepared,
  type LinkRecord,
  type PlacementRecord,
  type ProviderHandle,
  providerHandle,
  type ProviderRecord,
  Wanted,
} from "./wanted.ts";

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

export interface StartProviderOptions {
  readonly linkName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Settings of the provider itself; never a secret. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface LinkOptions {
  readonly linkName?: string;
  /** Opaque to the host, checked by the provider. `deadline` bounds each call over the link. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface CallOptions {
  /** Longest wait in milliseconds. Default: the host's `callTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly trace?: TraceContext;
  /** Who asks, for policy and logs. Default "operator". */
  readonly as?: string;
}

/** Starts a host. Without options: no broker, no sockets, everything in this thread. */
export function startHost(options: HostOptions = {}): Promise<Host> {
  return Host.start(options);
}

/**
 * One host: actors, providers and the links between them. Every face (library, command line, host
 * file, control socket) calls these verbs.
 */
export class Host implements AsyncDisposable {
  /** N key. */
  readonly id: string;
  readonly name: string;
  readonly config: HostConfig;
  readonly startedAt = Date.now();
  readonly wanted = new Wanted();
  readonly fleet: Fleet;
  readonly logs: LogBook;
  readonly logger: HostLogger;
  readonly events: EventRing;
  readonly #policy: Policy | undefined;
  /** Signs unsigned modules on load; made anew for each start, known to nobody else. */
  readonly #developmentKey: KeyPair | undefined;
  readonly #loader: Loader | undefined;
  #revision = 0;
  #state: "running" | "draining" | "stopped" = "running";
  #stopping: Promise<void> | undefined;
  #faces: Faces | undefined;

  private constructor(
    id: string,
    config: HostConfig,
    policy: Policy | undefined,
    fleet: Fleet,
    logs: LogBook,
    logger: HostLogger,
    events: EventRing,
  ) {
    this.id = id;
    this.name = friendlyName(id);
    this.config = config;
    this.#policy = policy;
    this.fleet = fleet;
    this.logs = logs;
    this.logger = logger;
    this.events = events;
    this.#developmentKey = config.development ? KeyPair.generate("account") : undefined;
    this.#loader = config.engines > 0 ? new Loader() : undefined;
  }

  static async start(options: HostOptions): Promise<Host> {
    const config = compileOptions(options);
    const { engines, limits, strict } = config;
    const key = config.hostSeed === undefined ? KeyPair.generate("server") : KeyPair.fromSeed(config.hostSeed);
    const logs = new LogBook({
      logLines: limits.logLines,
      logLineChars: limits.logLineChars,
      stoppedLogs: limits.stoppedLogs,
    });
    const logger = new HostLogger({
      level: config.logLevel,
      structured: config.structured,
      linesPerSecond: limits.logLinesPerSecond,
      lineChars: limits.logLineChars,
      base: { host: key.publicKey },
    });
    const events = new EventRing(limits.events);
    const extensions = extensionPaths(config);
    const { policy, middleware } = await loadExtensions(config);
    const fleet = await Fleet.start({
      engines,
      limits,
      strict,
      policy,
      middleware,
      extensions,
      onLog: (line) => {
        logs.write(line);
        logger.actorLine(line);
      },
      onReport: (level, text, fields) => logger.log(level, text, fields),
      onLost: (engine, reason) => void events.emit("engine_lost", { engine, reason }),
      onReplaced: (place, reason) => events.emit("engine_replaced", { engine: place, reason }),
    });
    const host = new Host(key.publicKey, config, policy, fleet, logs, logger, events);
    try {
      host.#faces = await openFaces(host, () => void host.stop());
    } catch (error) {
      await host.stop();
      throw error;
    }
    events.emit("host_started", { host_id: host.id, friendly_name: host.name, labels: config.labels });
    return host;
  }

  /** Where this host is reached from outside its process. */
  get faces(): Pick<Faces, "controlSocket" | "metrics"> {
    return this.#faces ?? { controlSocket: undefined, metrics: undefined };
  }

  get state(): "running" | "draining" | "stopped" {
    return this.#state;
  }

  /**
   * Verifies, rewrites and compiles a module on the loader thread (in this thread without engines).
   * @throws LatticeError as `ActorModule.fromBytes`.
   */
  load(bytes: Uint8Array, origin: string): Promise<PreparedModule> {
    const { issuers, limits } = this.config;
    const development = this.#developmentKey?.seed;
    return (this.#loader ?? Loader.inThread).load(bytes, {
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
  async startActor(module: ActorModule | PreparedModule, options: StartActorOptions = {}): Promise<ActorHandle> {
    this.#mustRun();
    const prepared = this.#admit(module);
    const { claims } = prepared;
    const annotations = options.annotations ?? {};
    for (const other of this.wanted.placements.values()) {
      if (other.spec.module.key === prepared.key && sameTexts(other.annotations, annotations)) {
        throw fail("ALREADY_RUNNING", `${claims.name} (${prepared.key})`);
      }
      this.#checkAlias(prepared, other);
    }
    await this.#askPolicy({
      action: "start_actor",
      actor: prepared.key,
      name: claims.name,
      issuer: claims.issuer,
      capabilities: claims.capabilities,
    });
    const spec: PlacementSpec = {
      id: randomUUID(),
      module: prepared,
      limits: this.#guestLimits(prepared, options),
      env: options.env ?? {},
      places: claims.portableProvider ? [this.fleet.home] : this.fleet.actorPlaces,
    };
    const record: PlacementRecord = {
      spec,
      annotations,
      reference: options.reference ?? (isPrepared(module) ? claims.name : module.origin),
      startedAt: Date.now(),
    };
    // Claimed at once, so that the same start coming twice is refused rather than run twice.
    this.wanted.placements.set(spec.id, record);
    try {
      await this.fleet.apply({ type: "put-placement", spec });
      if (claims.portableProvider) await this.#startPortable(record);
    } catch (error) {
      this.wanted.placements.delete(spec.id);
      await this.fleet.apply({ type: "drop-placement", id: spec.id, drainMs: 0 }).catch(() => {});
      this.events.emit("actor_start_failed", {
        actor_ref: record.reference,
        error: error instanceof Error ? error.message : "",
      });
      throw error;
    }
    this.events.emit("actor_started", {
      public_key: prepared.key,
      name: claims.name,
      image_ref: record.reference,
      annotations,
    });
    await this.#relink(prepared.key);
    return actorHandle(record);
  }

  /**
   * Replaces an actor's module under the same key: the new one is warm before the old one drains.
   * @throws LatticeError TOKEN_KIND when the key differs.
   */
  async updateActor(
    target: ActorHandle | string,
    module: ActorModule | PreparedModule,
    reference?: string,
  ): Promise<ActorHandle> {
    this.#mustRun();
    const prepared = this.#admit(module);
    const records = this.wanted.findPlacements(target);
    for (const record of records) {
      const { spec } = record;
      if (spec.module.key !== prepared.key)
        throw fail(
          "TOKEN_KIND",
          prepared.claims.name,
          `its key is ${prepared.key}, the running actor's is ${spec.module.key}`,
        );
      const next = { ...spec, module: prepared };
      await this.fleet.apply({ type: "put-placement", spec: next });
      record.spec = next;
      record.reference = reference ?? (isPrepared(module) ? record.reference : module.origin);
    }
    this.events.emit("actor_updated", { public_key: prepared.key, revision: prepared.claims.revision ?? 0 });
    return actorHandle(records[0]);
  }

  /** Instances per engine, 1 to the host's limit; calls beyond them wait. */
  async scale(target: ActorHandle | string, instances: number): Promise<void> {
    if (!Number.isInteger(instances) || instances < 1 || instances > 10_000)
      throw fail("OPTION_OUT_OF_RANGE", "instances", instances, "a whole number from 1 to 10000");
    for (const record of this.wanted.findPlacements(target)) {
      await this.fleet.apply({ type: "resize-placement", id: record.spec.id, instances });
      record.spec = { ...record.spec, limits: { ...record.spec.limits, instances } };
      this.events.emit("actor_scaled", { public_key: record.spec.module.key, max_instances: instances });
    }
  }

  /** Lets the calls in flight finish, then stops. Links stay. */
  async stopActor(target: ActorHandle | string): Promise<void> {
    for (const { spec } of this.wanted.findPlacements(target)) {
      const portable = [...this.wanted.providers.values()].find(
        ({ spec: { source } }) => source.kind === "portable" && source.placement === spec.id,
      );
      if (portable) await this.stopProvider(portable.spec.id);
      await this.fleet.apply({ type: "drop-placement", id: spec.id, drainMs: this.config.limits.drainMs });
      this.wanted.placements.delete(spec.id);
      this.logs.stop(spec.id);
      this.events.emit("actor_stopped", { public_key: spec.module.key, name: spec.module.claims.name });
    }
  }

  /**
   * Starts a provider: one of ours by reference (`builtin:keyvalue-memory`, or a contract id for our
   * default), which runs in the engines, or an object of the caller's, which runs in this thread.
   * @throws LatticeError PROVIDER_ABSENT, PROVIDER_CONFLICT, POLICY_REFUSED.
   */
  async startProvider(provider: Provider | string, options: StartProviderOptions = {}): Promise<ProviderHandle> {
    this.#mustRun();
    const { linkName = defaultLinkName, config = {}, annotations = {} } = options;
    const id = randomUUID();
    let spec: ProviderSpec;
    if (typeof provider === "string") {
      const builtin =
        builtins.get(provider) ??
        [...builtins.values()].find(
          ({ contractId, isDefault }) => isDefault && contractAliases(contractId).includes(provider),
        );
      if (!builtin) throw fail("PROVIDER_ABSENT", provider);
      const { key, name, contractId, stateful, reference } = builtin;
      const places = stateful ? [this.fleet.home] : this.fleet.actorPlaces;
      // The host's own bound, unless this provider was given one.
      const own =
        reference === "builtin:httpserver"
          ? { body_bytes: String(this.config.limits.httpBodyBytes), ...config }
          : config;
      spec = { id, key, name, contractId, linkName, config: own, source: { kind: "builtin", reference }, places };
    } else {
      const key = provider.key ?? KeyPair.generate("service").publicKey;
      spec = {
        id,
        key,
        name: provider.name,
        contractId: provider.contractId,
        linkName,
        config,
        source: { kind: "object" },
        places: [this.fleet.caller.place],
      };
      this.fleet.objects.set(id, provider);
    }
    return this.#putProvider(
      spec,
      typeof provider === "string"
        ? spec.source.kind === "builtin"
          ? spec.source.reference
          : provider
        : `object:${provider.name}`,
      annotations,
    );
  }

  /** Lets the calls in flight finish, closes what it opened, then stops. Its links go with it. */
  async stopProvider(target: ProviderHandle | string, linkName?: string): Promise<void> {
    const { spec } = this.wanted.findProvider(target, linkName);
    await this.fleet.apply({ type: "drop-provider", id: spec.id, drainMs: this.config.limits.drainMs });
    this.wanted.providers.delete(spec.id);
    for (const [id, link] of this.wanted.links) if (link.spec.providerId === spec.id) this.wanted.links.delete(id);
    this.fleet.objects.delete(spec.id);
    this.events.emit("provider_stopped", {
      public_key: spec.key,
      contract_id: spec.contractId,
      link_name: spec.linkName,
      reason: "stop",
    });
  }

  /**
   * Lets an actor use a provider. Putting it again changes the values, or the provider behind it, without a gap.
   * @throws LatticeError LINK_VALUES_INVALID, ADDRESS_TAKEN, PROVIDER_ABSENT, ACTOR_ABSENT.
   */
  async link(
    actor: ActorHandle | string,
    provider: ProviderHandle | string,
    options: LinkOptions = {},
  ): Promise<LinkRecord> {
    this.#mustRun();
    const { spec: behind } = this.wanted.findProvider(provider);
    const linkName = options.linkName ?? behind.linkName;
    const key = this.wanted.actorKey(actor);
    const record =
      typeof actor === "string"
        ? [...this.wanted.placements.values()].find(({ spec }) => spec.module.key === key)
        : this.wanted.findActor(actor);
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
      revision: ++this.#revision,
    };
    const status = await this.fleet.apply({ type: "put-link", link: spec });
    const link: LinkRecord = { spec, urls: status?.urls ?? [] };
    this.wanted.links.set(spec.id, link);
    this.events.emit("linkdef_set", {
      id: spec.id,
      actor_id: key,
      provider_id: behind.key,
      contract_id: contractId,
      link_name: linkName,
    });
    return link;
  }

  /** Takes a link back. Does nothing when there is none. */
  async unlink(actor: ActorHandle | string, contractId: string, linkName: string = defaultLinkName): Promise<void> {
    const key = this.wanted.actorKey(actor);
    const contract = canonicalContract(contractId);
    for (const [id, { spec }] of this.wanted.links) {
      if (spec.actor !== key || canonicalContract(spec.contractId) !== contract || spec.linkName !== linkName) continue;
      await this.fleet.apply({ type: "drop-link", id });
      this.wanted.links.delete(id);
      this.events.emit("linkdef_deleted", {
        id,
        actor_id: key,
        provider_id: spec.provider,
        contract_id: spec.contractId,
        link_name: linkName,
      });
    }
  }

  /**
   * Calls an actor: bytes in, bytes out, in the actor's own encoding.
   * @throws LatticeError whatever the call meets.
   */
  call(
    target: ActorHandle | string,
    operation: string,
    payload: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    const { spec } = this.wanted.findActor(target);
    const { timeoutMs = this.config.limits.callTimeoutMs, trace, as = "operator" } = options;
    const to = {
      kind: "actor" as const,
      key: spec.module.key,
      ...(typeof target === "string" ? {} : { placement: spec.id }),
    };
    return this.fleet.caller.invoke(
      localInvocation({ kind: "operator", name: as }, to, operation, payload, performance.now() + timeoutMs, 0, trace),
    );
  }

  /** Takes no new work from outside, finishes what is in flight, within `drainMs`. */
  async drain(deadlineMs: number = this.config.limits.drainMs): Promise<void> {
    if (this.#state === "running") this.#state = "draining";
    await this.fleet.drain(deadlineMs);
  }

  /** Drains, then stops. May be called twice. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.drain();
      this.#state = "stopped";
      await this.fleet.stop();
      await this.#loader?.stop();
      for (const id of this.wanted.placements.keys()) this.logs.stop(id);
      this.events.emit("host_stopped", { host_id: this.id, labels: this.config.labels });
      // Last, so that a second terminal and readiness checks can see it drain.
      await this.#faces?.stop();
      this.logger.flush();
    })();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** A portable provider's module is a placement that also stands behind a contract. */
  async #startPortable(record: PlacementRecord): Promise<void> {
    const { id, module } = record.spec;
    const own = await describePortable((operation, payload, deadline, hops) =>
      this.fleet.caller.invoke(
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
      places: [this.fleet.home],
    };
    await this.#putProvider(spec, record.reference, record.annotations);
  }

  async #putProvider(
    spec: ProviderSpec,
    reference: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<ProviderHandle> {
    for (const { spec: other } of this.wanted.providers.values()) {
      if (other.key === spec.key && other.linkName === spec.linkName)
        throw fail("PROVIDER_CONFLICT", spec.contractId, spec.linkName, other.name);
    }
    const { key, name, contractId, linkName } = spec;
    await this.#askPolicy({ action: "start_provider", provider: key, name, contractId, linkName });
    const record: ProviderRecord = { spec, annotations, reference, startedAt: Date.now() };
    this.wanted.providers.set(spec.id, record);
    try {
      await this.fleet.apply({ type: "put-provider", spec });
    } catch (error) {
      this.wanted.providers.delete(spec.id);
      this.fleet.objects.delete(spec.id);
      this.events.emit("provider_start_failed", {
        provider_ref: reference,
        link_name: linkName,
        error: error instanceof Error ? error.message : "",
      });
      throw error;
    }
    this.events.emit("provider_started", {
      public_key: key,
      contract_id: contractId,
      link_name: linkName,
      image_ref: reference,
      annotations,
    });
    return providerHandle(record);
  }

  /** What the host itself checks of every module, whoever verified it. */
  #admit(module: ActorModule | PreparedModule): PreparedModule {
    const { claims } = module;
    checkDates(claims);
    const { issuers, limits } = this.config;
    const trusted = claims.issuer === this.#developmentKey?.publicKey || !issuers || issuers.includes(claims.issuer);
    if (!trusted) throw fail("ISSUER_NOT_ALLOWED", claims.name, claims.issuer);
    return isPrepared(module) ? module : prepare(module, { memoryBytes: limits.memoryBytes });
  }

  /** The first actor keeps its alias; the same issuer's next ones run without it, another issuer's are refused. */
  #checkAlias({ claims, key }: PreparedModule, { spec: { module: held } }: PlacementRecord): void {
    const alias = claims.callAlias;
    if (alias && held.claims.callAlias === alias && held.key !== key && held.claims.issuer !== claims.issuer) {
      throw fail("ALIAS_TAKEN", alias, held.claims.name, claims.name);
    }
  }

  #guestLimits(module: PreparedModule, { instances, limits: own }: StartActorOptions): GuestLimits {
    const { memoryBytes, cpuMs, instances: most, queue, idleMs, startupMs, payloadBytes } = this.config.limits;
    const all = { memoryBytes, cpuMs, instances: instances ?? most, queue, idleMs, startupMs, payloadBytes, ...own };
    return module.claims.portableProvider ? { ...all, instances: 1, idleMs: Number.POSITIVE_INFINITY } : all;
  }

  /** Links that were put before the actor ran take effect with what it is now. */
  async #relink(key: string): Promise<void> {
    for (const { spec } of this.wanted.links.values()) {
      if (spec.actor === key && !spec.placement)
        await this.fleet.apply({ type: "put-link", link: { ...spec, revision: ++this.#revision } });
    }
  }

  async #askPolicy(request: PolicyRequest): Promise<void> {
    if (!this.#policy) return;
    const decision = await this.#policy(request);
    if ("deny" in decision) throw fail("POLICY_REFUSED", request.action, decision.deny);
  }

  #mustRun(): void {
    if (this.#state !== "running") throw fail(this.#state === "draining" ? "DRAINING" : "STOPPED", `host ${this.name}`);
  }
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
