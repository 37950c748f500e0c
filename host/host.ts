import {
  type ActorModule,
  type FetchedModule,
  fetchModule,
  type FetchOptions,
  Loader,
  type Registries,
  registriesFromEnvironment,
  type RegistryCredentials,
  type PreparedModule,
  type PrepareOptions,
} from "../actors/index.ts";
import type { Provider } from "../capabilities/index.ts";
import { fail, isPublicKey, localInvocation, type TraceContext } from "../lattice/index.ts";
import { isArchiveReference, openArchive } from "./archives/open-archive.ts";
import type { Annotations } from "./annotations.ts";
import { Actors, type StartActorOptions, type UpdateActorOptions } from "./actors.ts";
import { Configurations } from "./configurations.ts";
import { extensionPaths, loadExtensions } from "./extensions.ts";
import { EventRing } from "./events.ts";
import { type Faces, openFaces } from "./faces.ts";
import { Fleet } from "./fleet.ts";
import { friendlyName } from "./friendly-name.ts";
import { Labels } from "./labels.ts";
import { LinkValues } from "./link-values.ts";
import { type LinkOptions, Links } from "./links.ts";
import { LogBook } from "./log-ring.ts";
import { HostLogger } from "./logger.ts";
import { MemoryOfHost } from "./memory-of-host.ts";
import type { GoneProvider } from "./remembered.ts";
import { memberKeys, openConnections } from "./membership/connections.ts";
import { Jobs } from "./membership/jobs.ts";
import { Member, type MemberKeys } from "./membership/member.ts";
import { PolicyService } from "./membership/policy-service.ts";
import { compileOptions, type HostConfig, type HostOptions } from "./options.ts";
import { askPolicyToStart, type StartRequest } from "./parts.ts";
import { both, type Policy } from "./policy.ts";
import type { ProviderNews } from "./provider-questions.ts";
import { Providers, type StartProviderOptions } from "./providers.ts";
import { SecretBucket } from "./secret-bucket.ts";
import { SecretWatch } from "./secret-watch.ts";
import { resolveSecrets } from "./secrets.ts";
import { type InterruptedSwap, SwapJournal } from "./swap-journal.ts";
import { isOwnReference } from "./swap-reference.ts";
import { Spies } from "./spies.ts";
import { Swaps } from "./swap.ts";
import type { SwapOptions, SwapOutcome } from "./swap-record.ts";
import { Turns } from "./turns.ts";
import type { Verbs } from "./verb-table.ts";
import { verbsOf } from "./verbs.ts";
import { version } from "./version.ts";
import { type ActorHandle, type LinkRecord, type ProviderHandle, Wanted } from "./wanted.ts";

export type { LinkOptions, StartActorOptions, StartProviderOptions, UpdateActorOptions };

export interface CallOptions {
  /** Longest wait in milliseconds. Default: the host's `callTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly trace?: TraceContext;
  /** Who asks, for policy and logs. Default "operator". */
  readonly as?: string;
}

/** What the last process of a host left of swaps, and where the next ones are noted. */
interface OpenedJournal {
  readonly gone: readonly GoneProvider[];
  readonly cut: readonly InterruptedSwap[];
  readonly journal: SwapJournal | undefined;
}

const noJournal: OpenedJournal = { gone: [], cut: [], journal: undefined };

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
  readonly links: Links;
  /** Values under names that links share. */
  readonly configurations: Configurations;
  readonly swaps: Swaps;
  /** Public cluster key. */
  readonly cluster: string;
  readonly labels: Labels;
  /**
   * Whether the policy would let something start, which it is asked again when it does.
   * @throws LatticeError POLICY_REFUSED, DEADLINE_EXCEEDED, by rejection.
   */
  readonly askToStart: (request: StartRequest) => Promise<void>;
  /** Those who watch calls. */
  readonly spies: Spies;
  /** What goes on behind requests that were answered already. */
  readonly jobs = new Jobs();
  readonly #turns = new Turns();
  readonly #actors: Actors;
  readonly #providers: Providers;
  /** The lattice's secrets, sealed. */
  readonly secretBucket: SecretBucket;
  readonly #secrets: SecretWatch;
  #state: "running" | "draining" | "stopped" = "running";
  #stopping: Promise<void> | undefined;
  #faces: Faces | undefined;
  #member: Member | undefined;
  /** Digests of the archives that providers are of. */
  readonly #archives = new WeakMap<Provider, string>();
  #memory: MemoryOfHost | undefined;
  #registries: Registries | undefined;

  private constructor(
    keys: MemberKeys,
    config: HostConfig,
    policy: Policy | undefined,
    fleet: Fleet,
    loader: Loader,
    logs: LogBook,
    logger: HostLogger,
    events: EventRing,
  ) {
    const id = keys.host.publicKey;
    this.id = id;
    this.name = friendlyName(id);
    this.cluster = keys.cluster.publicKey;
    this.config = config;
    this.#registries = config.registries;
    this.fleet = fleet;
    this.logs = logs;
    this.logger = logger;
    this.events = events;
    this.labels = new Labels(config.labels, () => this.events.emit("labels_changed", { labels: this.labels.all }));
    const turns = this.#turns;
    const parts = { id, config, wanted: this.wanted, fleet, loader, events, logs, logger, turns, policy };
    this.askToStart = (request) => askPolicyToStart(parts, request);
    this.spies = new Spies(id, fleet, (key) => this.#nameOf(key));
    this.configurations = new Configurations({
      onChange: (name) => this.links.configurationChanged(name),
      onOwn: (event, key) => events.emit(event, { key }),
      warn: (text) => logger.warn(text),
    });
    const values = new LinkValues(this.configurations);
    this.links = new Links(parts, values);
    this.swaps = new Swaps(parts, this.links, (beforeStop) => new Providers(parts, this.links, beforeStop));
    this.#providers = this.swaps.providers;
    this.#actors = new Actors(parts, this.#providers, this.links);
    const renew = (link: string) => this.links.renewOne(link);
    this.secretBucket = new SecretBucket(
      () => void this.#secrets.look(),
      (text) => logger.warn(text),
    );
    this.#secrets = new SecretWatch({
      wanted: this.wanted,
      sources: config.secrets,
      bucket: this.secretBucket,
      everyMs: config.limits.secretsMs,
      renew,
      renewProvider: (id) => this.#providers.renew(id, (slot) => this.swaps.isOpen(slot)),
      warn: (text) => logger.warn(text),
      valuesOf: (link) => values.of(link),
    });
  }

  static async start(options: HostOptions): Promise<Host> {
    const config = compileOptions(options);
    const { engines, limits, strict, secrets } = config;
    const keys = memberKeys(config);
    const key = keys.host;
    const logs = new LogBook({
      logLines: limits.logLines,
      logLineChars: limits.logLineChars,
      logChars: limits.logChars,
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
    const { policy: own, middleware } = await loadExtensions(config);
    const { policyService } = config.membership;
    const service = policyService && new PolicyService(policyService);
    const policy = service ? both(own, service.decide) : own;
    const loader = new Loader({ thread: engines > 0 });
    // Its thread starts beside those of the engines, so that the first module finds it ready.
    loader.warm();
    let host: Host | undefined;
    const fleet = await Fleet.start({
      engines,
      limits,
      strict,
      secrets: { ...secrets, keys: secrets.keys },
      sealedFor: async (values) => host?.secretBucket.entriesFor(values),
      policy,
      ...(service ? { sharedPolicy: service } : {}),
      middleware,
      extensions,
      stalls: { level: config.logLevel, structured: config.structured, base: { host: key.publicKey } },
      onLog: (line) => {
        logs.write(line);
        logger.actorLine(line);
      },
      onReport: (level, text, fields) => logger.log(level, text, fields),
      onSpied: (batch) => host?.spies.take(batch),
      onNews: (place, news) => {
        if (host) host.#hear(place, news);
      },
      onLost: (engine, reason) => void events.emit("engine_lost", { engine, reason }),
      onReplaced: (place, reason) => events.emit("engine_replaced", { engine: place, reason }),
    });
    host = new Host(keys, config, policy, fleet, loader, logs, logger, events);
    try {
      const verbs = verbsOf(host, (drainMs) => void host.stop(drainMs));
      host.#faces = await openFaces(host, verbs);
      if (config.membership.remember !== false) host.#memory = await MemoryOfHost.open(host);
      await host.#join(keys, verbs, service);
    } catch (error) {
      await host.stop();
      throw error;
    }
    const { gone, cut, journal } = config.hostSeed === undefined ? noJournal : await host.#openJournal();
    loader.rehearse();
    events.emit("host_started", {
      host_id: host.id,
      friendly_name: host.name,
      labels: host.labels.all,
      uptime_seconds: 0,
      version,
    });
    if (config.membership.remember !== false) await host.#memory?.restore(config.membership.remember, gone, cut);
    for (const { id } of cut) await journal?.close(id);
    return host;
  }

  /** Takes its place in the lattice, when it was given a way there; the servers need not be there yet. */
  async #join(keys: MemberKeys, verbs: Verbs, policy: PolicyService | undefined): Promise<void> {
    const connections = await openConnections(this.config, keys, (text) => this.logger.warn(text));
    if (!connections) return;
    this.#member = new Member(this, keys, connections, verbs, (drainMs) => void this.stop(drainMs));
    this.swaps.join(this.#member.others);
    await this.#member.start(policy);
  }

  /** Its place in a lattice; undefined while it stands alone. */
  get member(): Member | undefined {
    return this.#member;
  }

  /** Credentials of a registry, for this host's life; `server` as references write it, or its URL. */
  addRegistry(server: string, credentials: RegistryCredentials): void {
    const name = server.replace(/^https?:\/\//i, "").replace(/\/$/, "");
    const known = this.#registries ?? registriesFromEnvironment();
    this.#registries = { ...known, credentials: { ...known.credentials, [name]: credentials } };
  }

  /** What is asked under one name is done in the order in which it was asked. */
  inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(name, work);
  }

  /** Where this host is reached from outside its process. */
  get faces(): Pick<Faces, "controlSocket" | "metrics"> {
    return this.#faces ?? { controlSocket: undefined, metrics: undefined };
  }

  get state(): "running" | "draining" | "stopped" {
    return this.#state;
  }

  /**
   * Fetches what a reference names, within this host's size limit and with its registries. Verifies nothing.
   * @throws LatticeError as `fetchModule`.
   */
  fetch(
    reference: string,
    options: Pick<FetchOptions, "files" | "onProgress" | "signal"> = {},
  ): Promise<FetchedModule> {
    const { limits } = this.config;
    const registries = this.#registries;
    const known = registries === undefined ? {} : { registries };
    return fetchModule(reference, { maxBytes: limits.moduleBytes, ...known, ...options });
  }

  /**
   * Verifies, rewrites and compiles a module on the loader thread (in this thread without engines).
   * Its memory limit is built in: by default the host's, smaller ones are given here.
   * @throws LatticeError as `ActorModule.fromBytes`.
   */
  async load(bytes: Uint8Array, origin: string, options?: PrepareOptions): Promise<PreparedModule> {
    const module = await this.#actors.load(bytes, origin, options);
    await this.#memory?.keep(bytes);
    return module;
  }

  /**
   * Runs an actor on this host.
   * @throws LatticeError ALREADY_RUNNING for the same key and annotations, ALIAS_TAKEN, ISSUER_NOT_ALLOWED,
   * TOKEN_EXPIRED, POLICY_REFUSED, GUEST_START_FAILED.
   */
  async startActor(module: ActorModule | PreparedModule, options?: StartActorOptions): Promise<ActorHandle> {
    this.#mustRun();
    return this.#actors.start(module, options);
  }

  /**
   * Replaces an actor's module under the same key: the new one is warm before the old one drains.
   * @throws LatticeError TOKEN_KIND when the key differs; REVISION_NOT_GREATER, UPDATE_REFUSED, UPDATE_RETURNED as `options` ask.
   */
  async updateActor(
    target: ActorHandle | string,
    module: ActorModule | PreparedModule,
    reference?: string,
    options?: UpdateActorOptions,
  ): Promise<ActorHandle> {
    this.#mustRun();
    return this.#actors.update(target, module, reference, options);
  }

  /** Instances per engine, 1 to 10 000; calls beyond them wait. Only of placements that carry all of `annotations`. */
  scale(target: ActorHandle | string, instances: number, annotations?: Annotations): Promise<void> {
    return this.#actors.scale(target, instances, annotations);
  }

  /** Lets the calls in flight finish, then stops the placements that carry all of `annotations`. Links stay. */
  stopActor(target: ActorHandle | string, annotations?: Annotations): Promise<void> {
    return this.#actors.stop(target, annotations);
  }

  /**
   * Settings with what their references to secrets mean, for a provider that is made of them before it is started.
   * What `startProvider` is given keeps the references.
   * @throws LatticeError SECRET_UNAVAILABLE naming every reference that cannot be read, never a value.
   */
  async withSecrets(settings: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
    return resolveSecrets(settings, this.config.secrets, await this.secretBucket.entriesFor(settings));
  }

  /**
   * Starts a provider: one of ours by reference (`builtin:keyvalue-memory`, or a contract id for our
   * default), which runs in the engines; an archive by reference, which runs in a process of its own (its
   * program needs NATS, a module for Node does not); or an object of the caller's, which runs in this thread.
   * @throws LatticeError BUILTIN_ABSENT, PROVIDER_CONFLICT, POLICY_REFUSED; of an archive those of `fetch` and `openArchive`.
   */
  async startProvider(provider: Provider | string, options: StartProviderOptions = {}): Promise<ProviderHandle> {
    this.#mustRun();
    if (typeof provider !== "string" || !isArchiveReference(provider)) return this.#providers.start(provider, options);
    const { bytes, origin } = await this.fetch(provider, { files: options.files ?? true });
    return this.#providers.start(this.openArchive(bytes, origin), { reference: provider, ...options });
  }

  /** The provider of an archive, verified and not started yet. @throws LatticeError as `verifyArchive`, PRECONDITION. */
  openArchive(bytes: Uint8Array, origin: string): Provider {
    const provider = openArchive(bytes, origin, this.id, this.config, (error) => this.#member?.refuse(error));
    const digest = this.#memory?.keepArchive(bytes);
    if (digest !== undefined) this.#archives.set(provider, digest);
    return provider;
  }

  /** Digest of the signed archive that a provider is of, on a host that remembers. */
  archiveDigest(provider: Provider): string | undefined {
    return this.#archives.get(provider);
  }

  /**
   * Lets the calls in flight finish, closes what it opened, then stops. Its links stay for the next
   * provider of its key and link name, but for those of a throw-away key.
   */
  stopProvider(target: ProviderHandle | string, linkName?: string): Promise<void> {
    return this.#providers.stop(target, linkName);
  }

  /** Lets a provider finish what it holds and gives it no more calls; it and its links stay. */
  async drainProvider(target: ProviderHandle | string, linkName?: string, drainMs?: number): Promise<ProviderHandle> {
    const drained = await this.#providers.drain(target, linkName, drainMs);
    this.member?.changed();
    return drained;
  }

  /**
   * Puts another provider of the same contract in the place of a running one, under load: started
   * and linked beside it, healthy before it gets a call, switched in one step, on trial before the
   * old one stops. `next` is an object, a reference of ours or of an archive, or `memory`, `sqlite:FILE`,
   * `redis://HOST`, `nats`. Handles of the old one mean the new one from then on. With `toHost` the new
   * one runs on another host of the lattice; without `next` it is the same with the same settings.
   * @throws LatticeError SWAP_REFUSED with all problems, SWAP_PAUSE, PROVIDER_ABSENT, BUILTIN_ABSENT, PROVIDER_CONFLICT, HOST_ABSENT; nothing has changed then.
   */
  async swapProvider(
    target: ProviderHandle | string,
    next?: Provider | string,
    options: SwapOptions = {},
  ): Promise<SwapOutcome> {
    this.#mustRun();
    const { contractId } = this.wanted.findProvider(target).spec;
    if (typeof next !== "string" || isOwnReference(next, contractId) || !isArchiveReference(next))
      return this.swaps.swap(target, next, options);
    // The other host fetches and verifies it itself.
    if (options.toHost !== undefined) return this.swaps.swap(target, next, { reference: next, ...options });
    const { bytes, origin } = await this.fetch(next, { files: options.files ?? true });
    return this.swaps.swap(target, this.openArchive(bytes, origin), { reference: next, ...options });
  }

  /** The archive that another host means, fetched and verified here; undefined for what is ours. */
  async archiveOf(reference: string, contractId: string): Promise<Provider | undefined> {
    if (isOwnReference(reference, contractId) || !isArchiveReference(reference)) return undefined;
    const { bytes, origin } = await this.fetch(reference, { files: false });
    return this.openArchive(bytes, origin);
  }

  /** Whether calls over these links go to the provider of that key on another host, from every engine here. */
  knowsWay(
    { key, linkName, host }: { key: string; linkName: string; host: string },
    links: readonly string[],
  ): boolean {
    const there = this.#member?.inEffect(host)?.providers ?? [];
    return (
      there.some((provider) => provider.key === key && provider.linkName === linkName) &&
      links.every((id) => this.wanted.links.get(id)?.spec.provider === key)
    );
  }

  /**
   * Lets an actor use a provider, wherever both run. Putting it again changes the values, or the
   * provider behind it, without a gap.
   * @throws LatticeError LINK_VALUES_INVALID, ADDRESS_TAKEN, PROVIDER_ABSENT, ACTOR_ABSENT.
   */
  async link(
    actor: ActorHandle | string,
    provider: ProviderHandle | string,
    options?: LinkOptions,
  ): Promise<LinkRecord> {
    this.#mustRun();
    return this.links.put(actor, provider, options);
  }

  /** Takes a link back. Does nothing when there is none. */
  unlink(actor: ActorHandle | string, contractId: string, linkName?: string): Promise<number> {
    return this.links.delete(actor, contractId, linkName);
  }

  /**
   * Calls an actor: bytes in, bytes out, in the actor's own encoding.
   * @throws LatticeError whatever the call meets.
   */
  async call(
    target: ActorHandle | string,
    operation: string,
    payload: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    this.#mustRun();
    const found = this.#findCalled(target);
    const { timeoutMs = this.config.limits.callTimeoutMs, trace, as = "operator" } = options;
    const to = {
      kind: "actor" as const,
      key: found.key,
      ...(typeof target === "string" ? {} : { placement: found.placement }),
    };
    return this.fleet.caller.invoke(
      localInvocation({ kind: "operator", name: as }, to, operation, payload, performance.now() + timeoutMs, 0, trace),
    );
  }

  /** Takes no new work from outside, finishes what is in flight, within `drainMs`. */
  async drain(deadlineMs: number = this.config.limits.drainMs): Promise<void> {
    if (this.#state === "running") {
      this.#state = "draining";
      this.events.emit("host_draining", { host_id: this.id });
    }
    this.swaps.stop();
    this.#actors.settle();
    await this.fleet.drain(deadlineMs);
  }

  /** Drains, within `drainMs` (default the host's limit), then stops. May be called twice: the first one's limit holds. */
  stop(drainMs?: number): Promise<void> {
    this.#stopping ??= (async () => {
      await this.drain(drainMs);
      await this.#memory?.close();
      await this.#member?.goodbye();
      this.#state = "stopped";
      this.#secrets.stop();
      this.secretBucket.stop();
      this.links.close();
      this.configurations.close();
      await this.fleet.stop();
      await this.#actors.close();
      for (const id of this.wanted.placements.keys()) this.logs.stop(id);
      this.events.emit("host_stopped", { host_id: this.id, labels: this.labels.all });
      await this.#member?.leave();
      // Last, so that a second terminal and readiness checks can see it drain.
      await this.#faces?.stop();
      this.logger.flush();
    })();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * A host that comes back under its key says how the swaps ended that were cut off with its last
   * process. Answers the providers that stand on another host, so that they are not started here too,
   * and who stood after the others.
   */
  async #openJournal(): Promise<OpenedJournal> {
    const warn = (text: string) => this.logger.warn(text);
    const { stateDirectory } = this.config;
    const { journal, interrupted } = await SwapJournal.open(stateDirectory, this.id, warn, this.#memory);
    this.swaps.keep(journal);
    const gone: GoneProvider[] = [];
    const cut: InterruptedSwap[] = [];
    for (const swap of interrupted) {
      const { id: swap_id, contractId: contract_id, linkName: link_name, from, to, elsewhere } = swap;
      const stands = await this.swaps.verdictOf(swap);
      this.events.emit("swap_interrupted", { swap_id, contract_id, link_name, from, to, stands });
      const serving = stands === "new" ? to : from;
      warn(
        `the swap of ${from} for ${to} (${contract_id}) was cut off with the last process: ${serving} stood (${stands})`,
      );
      cut.push({ ...swap, stands });
      if (elsewhere?.side === stands)
        gone.push({ reference: elsewhere.side === "new" ? from : to, linkName: link_name });
    }
    return { gone, cut, journal };
  }

  /** An actor here, else, in a lattice, one of another host; any key may run on a host that does not tell. */
  #findCalled(target: ActorHandle | string): { readonly key: string; readonly placement?: string } {
    const { dispatch, tables } = this.fleet.caller;
    // The usual name of one elsewhere costs no error on the way.
    if (
      typeof target === "string" &&
      tables.placementsOf(target).length === 0 &&
      tables.peers.actorsOf(target).length > 0
    )
      return { key: target };
    try {
      const { spec } = this.wanted.findActor(target);
      return { key: spec.module.key, placement: spec.id };
    } catch (error) {
      if (typeof target !== "string" || !dispatch.elsewhere) throw error;
      const found = tables.peers.findActor(target);
      if (found) return { key: found.actor.key };
      if (isPublicKey(target, "module")) return { key: target };
      throw error;
    }
  }

  #nameOf(key: string): string | undefined {
    const { wanted, fleet } = this;
    for (const { spec } of wanted.placements.values()) if (spec.module.key === key) return spec.module.claims.name;
    for (const { spec } of wanted.providers.values()) if (spec.key === key) return spec.name;
    return fleet.caller.tables.peers.actorsOf(key)[0]?.actor.name;
  }

  /** What an engine tells of a provider. */
  #hear(engine: number, { id, news, reason }: ProviderNews): void {
    this.swaps.hear({ id, news, reason });
    const spec = this.wanted.providers.get(id)?.spec;
    if (!spec || news === "failing") return;
    const { key: public_key, contractId: contract_id, linkName: link_name, name } = spec;
    const type = news === "given-up" ? "provider_down" : (`provider_${news}` as const);
    this.events.emit(type, { public_key, contract_id, link_name, name, engine, ...(reason === "" ? {} : { reason }) });
    this.logger.warn(`provider ${name}${news === "stalled" ? "" : ` is ${news}`}${reason === "" ? "" : `: ${reason}`}`);
  }

  #mustRun(): void {
    if (this.#state !== "running") throw fail(this.#state === "draining" ? "DRAINING" : "STOPPED", `host ${this.name}`);
  }
}
