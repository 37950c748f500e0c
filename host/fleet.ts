import { MessageChannel } from "node:worker_threads";
import { Census, instanceLimit } from "../actors/index.ts";
import type { LinkStatus, Provider } from "../capabilities/index.ts";
import { describe, fail, isLatticeError, type LatticeConnection } from "../lattice/index.ts";
import {
  type ActorLogLine,
  callerPlace,
  type EngineChange,
  type EngineStats,
  type LinkSpec,
  type Place,
} from "./engine-messages.ts";
import { EngineThread } from "./engine-thread.ts";
import { Engine } from "./engine.ts";
import type { ExtensionPaths } from "./extensions.ts";
import { FleetTables, nameOfChange } from "./fleet-tables.ts";
import type { Limits } from "./limits.ts";
import type { Middleware } from "./middleware.ts";
import { servePolicy, type SharedPolicy } from "./policy-relay.ts";
import type { Policy } from "./policy.ts";
import type { SealedEntries } from "./secret-bucket.ts";
import type { SecretSources } from "./secrets.ts";
import type { RemoteOptions } from "./remote/options.ts";
import type { AnswerTo, ProviderNews, ProviderQuestion } from "./provider-questions.ts";
import type { SpyBatch } from "./spy.ts";
import type { LogForm } from "./stalls/messages.ts";
import { lossText, type Supervised, Supervisor } from "./supervision.ts";

export interface FleetOptions {
  /** Threads of their own; 0 runs everything in the caller's thread. */
  readonly engines: number;
  readonly limits: Limits;
  readonly strict: boolean;
  readonly secrets: SecretSources;
  readonly policy: Policy | undefined;
  /** A part of `policy` that only the caller's thread can ask: engines in threads ask it there. */
  readonly sharedPolicy?: SharedPolicy;
  readonly middleware: readonly Middleware[];
  readonly extensions: ExtensionPaths;
  readonly stalls?: LogForm;
  readonly onLog: (line: ActorLogLine) => void;
  readonly onReport: (
    level: "debug" | "info" | "warn" | "error",
    text: string,
    fields?: Record<string, unknown>,
  ) => void;
  /** The lattice's secrets that values of links and settings of providers refer to; fails while they cannot be known. */
  readonly sealedFor?: (values: LinkSpec["values"]) => Promise<SealedEntries | undefined>;
  /** Calls that somebody watches. */
  readonly onSpied?: (batch: SpyBatch) => void;
  readonly onNews?: (place: Place, news: ProviderNews) => void;
  /** An engine was lost; another is on its way. */
  readonly onLost?: (place: Place, reason: string) => void;
  /** An engine was lost and another took its place. */
  readonly onReplaced: (place: Place, reason: string) => void;
}

/** Longest wait for an engine that is on its way, in milliseconds: as long as its supervisor lets it load. */
const returnMs = 30_000;

/**
 * The engines of one host. Every engine holds the whole tables; a change is acknowledged when each
 * has it. An engine that falls silent or dies is replaced and given the tables again.
 */
export class Fleet {
  /** The engine of the caller's thread: it runs everything when there are no others, else the caller's own objects. */
  readonly caller: Engine;
  readonly objects = new Map<string, Provider>();
  readonly restarts = new Map<Place, number>();
  readonly #options: FleetOptions;
  readonly #census: Census;
  readonly #threads = new Map<Place, EngineThread>();
  readonly #tables = new FleetTables();
  /** For each engine on its way: what it must be told before it may join. */
  readonly #joining = new Set<EngineChange[]>();
  readonly #reasons = new Map<Place, string>();
  /** Those who wait for an engine to join. */
  readonly #waiting = new Set<() => void>();
  #revision = 0;
  #state: "running" | "draining" | "stopped" = "running";
  #supervisor: Supervisor<Supervised & { readonly thread: EngineThread }> | undefined;

  private constructor(options: FleetOptions) {
    this.#options = options;
    const { limits, strict, secrets, policy, middleware, onLog, onReport } = options;
    this.#census = new Census(instanceLimit(undefined, limits.instancesPerProcess));
    this.caller = new Engine({
      place: callerPlace,
      limits,
      census: this.#census,
      strict,
      secrets,
      policy,
      middleware,
      sharePorts: false,
      objects: this.objects,
      ...(options.stalls && { stalls: options.stalls }),
      onLog,
      onSpied: (batch) => options.onSpied?.(batch),
      onNews: (news) => options.onNews?.(callerPlace, news),
      onReport,
    });
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    if (options.engines > 0) await fleet.#startThreads();
    return fleet;
  }

  /** Where actors and stateless providers run. */
  get actorPlaces(): readonly Place[] {
    const { engines } = this.#options;
    return engines === 0 ? [callerPlace] : Array.from({ length: engines }, (_, place) => place);
  }

  /** Engines that are here now; one that was lost is not until another has taken its place. */
  get placesUp(): readonly Place[] {
    return this.#all().map(({ place }) => place);
  }

  /** Where a thing runs that keeps state in the process. */
  get home(): Place {
    return this.#options.engines === 0 ? callerPlace : 0;
  }

  /**
   * Makes a change take effect in every engine. A put that fails in one is taken back in all.
   * @throws LatticeError ENGINE_LOST when no engine that should run it comes back in time; STOPPED; STATE_UNAVAILABLE
   * for a link or provider whose secrets the lattice keeps, and cannot be reached.
   */
  async apply(wanted: EngineChange): Promise<LinkStatus | undefined> {
    const change = await this.#withSecrets(wanted);
    await this.#reach(this.#tables.placesOf(change));
    if (this.#state === "stopped") throw fail("STOPPED", "the host");
    const asked = this.#all();
    try {
      if (change.type === "put-link") return await this.#applyLink(change.link, asked);
      if (change.type === "stage-link") return await this.#stage(change.link, asked);
      const results = await Promise.allSettled(asked.map((engine) => engine.apply(change)));
      const failed = results.find((result) => result.status === "rejected" && !wentWithIt(change, result.reason));
      if (failed?.status === "rejected") throw failed.reason;
      await this.#settle(asked, change);
      return undefined;
    } catch (error) {
      const undo = this.#tables.undo(change, ++this.#revision);
      if (undo) await Promise.allSettled(this.#all().map((engine) => engine.apply(undo)));
      throw error;
    }
  }

  /** Only for providers, and for links that open here. */
  async #withSecrets(change: EngineChange): Promise<EngineChange> {
    if (change.type === "put-provider" || change.type === "renew-provider") {
      const { sealed: _old, ...spec } = change.spec;
      const sealed = await this.#options.sealedFor?.(spec.config);
      return { ...change, spec: { ...spec, ...(sealed && { sealed }) } };
    }
    if (change.type !== "put-link" && change.type !== "stage-link") return change;
    const { sealed: _before, ...link } = change.link;
    if (link.providerId === undefined) return { ...change, link };
    const sealed = await this.#options.sealedFor?.(link.values);
    return { ...change, link: { ...link, ...(sealed && { sealed }) } };
  }

  /** Links open at their home first: what it took effect with (a real port) goes to the others. */
  async #applyLink(
    wanted: Omit<LinkSpec, "revision">,
    asked: readonly (Engine | EngineThread)[],
  ): Promise<LinkStatus | undefined> {
    const link = { ...wanted, revision: ++this.#revision };
    const [first, ...others] = asked.toSorted((a, b) => Number(b.place === this.home) - Number(a.place === this.home));
    const status = await first!.apply({ type: "put-link", link });
    const settled = status?.values ? { ...link, values: status.values } : link;
    const rest = await Promise.all(others.map((engine) => engine.apply({ type: "put-link", link: settled })));
    await this.#settle(asked, { type: "put-link", link: settled });
    return status ?? rest.find((each) => each !== undefined);
  }

  /**
   * Serves calls of other hosts from now on, and sends calls to them. `shared` is what the caller's
   * thread uses; engines in threads connect for themselves, or ask the caller's when `remote.nats` is not given.
   */
  async join(remote: RemoteOptions, shared?: LatticeConnection): Promise<void> {
    if (shared) this.caller.share(shared);
    await this.apply({ type: "join", remote });
  }

  /** As `#applyLink`, for a link that moves later: nothing is remembered yet, and engines that are lost stage it with the move. */
  async #stage(wanted: LinkSpec, asked: readonly (Engine | EngineThread)[]): Promise<LinkStatus | undefined> {
    const link = { ...wanted, revision: ++this.#revision };
    const places = this.#tables.placesOf({ type: "stage-link", link });
    const stage = (engine: Engine | EngineThread, spec: LinkSpec) =>
      engine.apply({ type: "stage-link", link: spec }).catch((error: unknown) => {
        if (places.includes(engine.place) || !isLost(error)) throw error;
        return undefined;
      });
    const [first, ...others] = asked.toSorted((a, b) => Number(b.place === this.home) - Number(a.place === this.home));
    const status = await stage(first!, link);
    const settled = status?.values ? { ...link, values: status.values } : link;
    const rest = await Promise.all(others.map((engine) => stage(engine, settled)));
    return status ?? rest.find((each) => each !== undefined);
  }

  /** Links of a provider as they took effect. */
  linksOf(providerId: string): readonly LinkSpec[] {
    return this.#tables.linksOf(providerId);
  }

  /** Asks every engine that answers; those where the provider does not run say nothing. */
  async ask<T extends ProviderQuestion["type"]>(
    question: Extract<ProviderQuestion, { type: T }>,
  ): Promise<readonly AnswerTo<T>[]> {
    const results = await Promise.allSettled(this.#all().map((engine) => engine.ask(question)));
    return results.flatMap((result) =>
      result.status === "fulfilled" && result.value ? [result.value as AnswerTo<T>] : [],
    );
  }

  /**
   * Asks the engine of `place` alone.
   * @throws LatticeError ENGINE_LOST when there is none, or it does not run the provider; what the provider throws.
   */
  async askAt<T extends ProviderQuestion["type"]>(
    place: Place,
    question: Extract<ProviderQuestion, { type: T }>,
  ): Promise<AnswerTo<T>> {
    const engine = this.#all().find((each) => each.place === place);
    const answer = await engine?.ask(question);
    if (!answer) throw fail("ENGINE_LOST", String(place));
    return answer as AnswerTo<T>;
  }

  /** How many instances more the process may have. */
  get instancesLeft(): number {
    return this.#census.limit - this.#census.total;
  }

  /** Figures of every engine that answers. */
  async stats(): Promise<readonly EngineStats[]> {
    const results = await Promise.allSettled(this.#all().map((engine) => engine.stats()));
    return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  /** An engine that joins later drains too. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state === "running") this.#state = "draining";
    await Promise.allSettled(this.#all().map((engine) => engine.drain(deadlineMs)));
  }

  async stop(): Promise<void> {
    this.#state = "stopped";
    for (const wake of this.#waiting) wake();
    this.#supervisor?.release();
    await Promise.allSettled(this.#all().map((engine) => engine.stop()));
    await this.#supervisor?.stop();
    this.#threads.clear();
  }

  #all(): readonly (Engine | EngineThread)[] {
    return [...[...this.#threads.values()].filter(({ open }) => open), this.caller];
  }

  async #startThreads(): Promise<void> {
    const { engines, limits, onLost, onReplaced, onReport } = this.#options;
    this.#supervisor = await Supervisor.start({
      count: engines,
      silenceMs: limits.engineSilenceMs,
      start: (place, heartbeat) => this.#spawn(place, heartbeat),
      onLost: (place, { thread }, loss) => {
        const reason = lossText(loss);
        onReport("error", `engine ${place} was lost: ${reason}`);
        this.#lost(thread);
        this.#reasons.set(place, reason);
        onLost?.(place, reason);
      },
      onRestarted: (place) => {
        onReport("warn", `engine ${place} is restored`);
        onReplaced(place, this.#reasons.get(place) ?? "");
      },
      onStartFailed: (place, error) => onReport("error", `engine ${place} cannot be restored yet: ${describe(error)}`),
    });
  }

  #spawn(place: Place, heartbeat: SharedArrayBuffer): Supervised & { readonly thread: EngineThread } {
    const { limits, strict, secrets, engines, extensions, sharedPolicy, onLog, onReport } = this.#options;
    const { limit, shared } = this.#census;
    const census = { limit, shared };
    const asking = sharedPolicy && new MessageChannel();
    if (asking) servePolicy(asking.port1, sharedPolicy);
    const policyPort = asking ? { policyPort: asking.port2 } : {};
    const thread = new EngineThread(
      { place, limits, census, strict, secrets, sharePorts: engines > 1, extensions, heartbeat, ...policyPort },
      callerPlace,
      {
        onLog: (lines) => lines.forEach(onLog),
        onSpied: (batch) => this.#options.onSpied?.(batch),
        onNews: (news) => this.#options.onNews?.(place, news),
        onReport,
        answer: (invocation, away, course) => this.caller.answer(invocation, away, course),
      },
    );
    thread.worker.once("exit", () => this.#census.forget(place));
    return { worker: thread.worker, thread, ready: this.#join(thread) };
  }

  /** Gives a new engine the tables, then what changed meanwhile, then its peers: it misses nothing. */
  async #join(thread: EngineThread): Promise<void> {
    await thread.ready;
    const missed = [...this.#tables.everything()];
    this.#joining.add(missed);
    try {
      for (let change = missed.shift(); change; change = missed.shift()) await this.#restore(thread, change);
      if (this.#state !== "running") await thread.drain(0);
    } finally {
      this.#joining.delete(missed);
    }
    for (const [other, peer] of this.#threads) {
      const { port1, port2 } = new MessageChannel();
      thread.connect(other, port1);
      peer.connect(thread.place, port2);
    }
    this.#threads.set(thread.place, thread);
    this.caller.connect(thread.place, thread.wire);
    for (const wake of this.#waiting) wake();
  }

  /** What cannot be restored any more (an address that was taken meanwhile) does not keep away the rest. */
  async #restore(thread: EngineThread, change: EngineChange): Promise<void> {
    try {
      await thread.apply(change);
    } catch (error) {
      if (isLost(error)) throw error;
      const text = `engine ${thread.place} runs without ${nameOfChange(change)}: ${describe(error)}`;
      this.#options.onReport("error", text);
    }
  }

  /** A change has taken effect where it was asked for. An engine that joined meanwhile gets it too, one on its way with the tables. */
  async #settle(asked: readonly (Engine | EngineThread)[], change: EngineChange): Promise<void> {
    this.#tables.remember(change);
    for (const missed of this.#joining) missed.push(change);
    const joined = this.#all().filter((engine) => !asked.includes(engine));
    await Promise.allSettled(joined.map((engine) => engine.apply(change)));
  }

  /** Waits while every engine of `places` is on its way; what is put meanwhile could be neither checked nor opened. */
  async #reach(places: readonly Place[]): Promise<void> {
    const up = () =>
      this.#state === "stopped" ||
      places.length === 0 ||
      places.some((place) => place === callerPlace || this.#threads.get(place)?.open);
    if (up()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (up()) resolve();
    };
    const timer = setTimeout(() => reject(fail("ENGINE_LOST", places.join(", "))), returnMs);
    this.#waiting.add(look);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  #lost(thread: EngineThread): void {
    const { place } = thread;
    this.#threads.delete(place);
    this.caller.disconnect(place);
    this.restarts.set(place, (this.restarts.get(place) ?? 0) + 1);
  }
}

/** What was to be changed or dropped in an engine that was lost went with it; the next one gets it with the tables. */
function wentWithIt(change: EngineChange, error: unknown): boolean {
  return !change.type.startsWith("put-") && isLost(error);
}

function isLost(error: unknown): boolean {
  return isLatticeError(error) && error.code === "ENGINE_LOST";
}
