import { MessageChannel } from "node:worker_threads";
import { Census, instanceLimit } from "../actors/index.ts";
import type { LinkStatus, Provider } from "../capabilities/index.ts";
import { describe, isLatticeError, canonicalContract, contractOf } from "../lattice/index.ts";
import {
  type ActorLogLine,
  callerPlace,
  type EngineChange,
  type EngineStats,
  type LinkSpec,
  type Place,
  type PlacementSpec,
  type ProviderSpec,
} from "./engine-messages.ts";
import { EngineThread } from "./engine-thread.ts";
import { Engine } from "./engine.ts";
import type { ExtensionPaths } from "./extensions.ts";
import type { Limits } from "./limits.ts";
import type { Middleware } from "./middleware.ts";
import type { Policy } from "./policy.ts";
import { lossText, type Supervised, Supervisor } from "./supervision.ts";

export interface FleetOptions {
  /** Threads of their own; 0 runs everything in the caller's thread. */
  readonly engines: number;
  readonly limits: Limits;
  readonly strict: boolean;
  readonly policy: Policy | undefined;
  readonly middleware: readonly Middleware[];
  readonly extensions: ExtensionPaths;
  readonly onLog: (line: ActorLogLine) => void;
  readonly onReport: (
    level: "debug" | "info" | "warn" | "error",
    text: string,
    fields?: Record<string, unknown>,
  ) => void;
  /** An engine was lost; another is on its way. */
  readonly onLost?: (place: Place, reason: string) => void;
  /** An engine was lost and another took its place. */
  readonly onReplaced: (place: Place, reason: string) => void;
}

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
  readonly #placements = new Map<string, PlacementSpec>();
  readonly #providers = new Map<string, ProviderSpec>();
  readonly #links = new Map<string, LinkSpec>();
  /** For each engine on its way: what it must be told before it may join. */
  readonly #joining = new Set<EngineChange[]>();
  readonly #reasons = new Map<Place, string>();
  #supervisor: Supervisor<Supervised & { readonly thread: EngineThread }> | undefined;

  private constructor(options: FleetOptions) {
    this.#options = options;
    const { limits, strict, policy, middleware, onLog, onReport } = options;
    this.#census = new Census(instanceLimit(undefined, limits.instancesPerProcess));
    this.caller = new Engine({
      place: callerPlace,
      limits,
      census: this.#census,
      strict,
      policy,
      middleware,
      sharePorts: false,
      objects: this.objects,
      onLog,
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

  /** Where a thing runs that keeps state in the process. */
  get home(): Place {
    return this.#options.engines === 0 ? callerPlace : 0;
  }

  /**
   * Makes a change take effect in every engine. A put that fails in one is taken back in all.
   * Links open at their home first: what it took effect with (a real port) goes to the others.
   */
  async apply(change: EngineChange): Promise<LinkStatus | undefined> {
    if (change.type === "put-link") return this.#applyLink(change.link);
    const asked = this.#all();
    const results = await Promise.allSettled(asked.map((engine) => engine.apply(change)));
    const failed = results.find((result) => result.status === "rejected" && !wentWithIt(change, result.reason));
    if (failed?.status !== "rejected") {
      this.#remember(change);
      await this.#catchUp(asked, change);
      return undefined;
    }
    await this.#takeBack(change);
    throw failed.reason;
  }

  async #applyLink(link: LinkSpec): Promise<LinkStatus | undefined> {
    const known = this.#links.get(link.id);
    const asked = this.#all();
    const [first, ...others] = asked.toSorted((a, b) => Number(b.place === this.home) - Number(a.place === this.home));
    try {
      const status = await first!.apply({ type: "put-link", link });
      const settled = status?.values ? { ...link, values: status.values } : link;
      const rest = await Promise.all(others.map((engine) => engine.apply({ type: "put-link", link: settled })));
      this.#remember({ type: "put-link", link: settled });
      await this.#catchUp(asked, { type: "put-link", link: settled });
      return status ?? rest.find((each) => each !== undefined);
    } catch (error) {
      if (!known)
        await Promise.allSettled(this.#all().map((engine) => engine.apply({ type: "drop-link", id: link.id })));
      throw error;
    }
  }

  /** Figures of every engine that answers. */
  async stats(): Promise<readonly EngineStats[]> {
    const results = await Promise.allSettled(this.#all().map((engine) => engine.stats()));
    return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  async drain(deadlineMs: number): Promise<void> {
    await Promise.allSettled(this.#all().map((engine) => engine.drain(deadlineMs)));
  }

  async stop(): Promise<void> {
    this.#supervisor?.release();
    await Promise.allSettled(this.#all().map((engine) => engine.stop()));
    await this.#supervisor?.stop();
    this.#threads.clear();
  }

  #all(): readonly (Engine | EngineThread)[] {
    return [...this.#threads.values(), this.caller];
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
    const { limits, strict, engines, extensions, onLog, onReport } = this.#options;
    const { limit, shared } = this.#census;
    const census = { limit, shared };
    const thread = new EngineThread(
      { place, limits, census, strict, sharePorts: engines > 1, extensions, heartbeat },
      callerPlace,
      {
        onLog: (lines) => lines.forEach(onLog),
        onReport,
        answer: (invocation) => this.caller.answer(invocation),
      },
    );
    thread.worker.once("exit", () => this.#census.forget(place));
    return { worker: thread.worker, thread, ready: this.#join(thread) };
  }

  /** Gives a new engine the tables, then what changed meanwhile, then its peers: it misses nothing. */
  async #join(thread: EngineThread): Promise<void> {
    await thread.ready;
    const missed = [...this.#everything()];
    this.#joining.add(missed);
    try {
      for (let change = missed.shift(); change; change = missed.shift()) await thread.apply(change);
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
  }

  /** A change that was under way when an engine joined reaches that engine too. One lost meanwhile gets it with the tables. */
  async #catchUp(asked: readonly (Engine | EngineThread)[], change: EngineChange): Promise<void> {
    const joined = this.#all().filter((engine) => !asked.includes(engine));
    await Promise.allSettled(joined.map((engine) => engine.apply(change)));
  }

  /** The tables as changes, in the order in which they can be made. */
  *#everything(): Generator<EngineChange> {
    for (const spec of this.#placements.values()) yield { type: "put-placement", spec };
    for (const spec of this.#providers.values()) yield { type: "put-provider", spec };
    // Those that let requests in come last, when what the actors need stands again.
    const opens = ({ contractId }: LinkSpec) => canonicalContract(contractId) === contractOf("httpserver");
    const links = [...this.#links.values()].toSorted((a, b) => Number(opens(a)) - Number(opens(b)));
    for (const link of links) yield { type: "put-link", link };
  }

  #lost(thread: EngineThread): void {
    const { place } = thread;
    this.#threads.delete(place);
    this.caller.disconnect(place);
    this.restarts.set(place, (this.restarts.get(place) ?? 0) + 1);
  }

  #remember(change: EngineChange): void {
    for (const missed of this.#joining) missed.push(change);
    switch (change.type) {
      case "put-placement":
        this.#placements.set(change.spec.id, change.spec);
        return;
      case "resize-placement": {
        const spec = this.#placements.get(change.id);
        if (spec) this.#placements.set(change.id, { ...spec, limits: { ...spec.limits, instances: change.instances } });
        return;
      }
      case "drop-placement":
        this.#placements.delete(change.id);
        return;
      case "put-provider":
        this.#providers.set(change.spec.id, change.spec);
        return;
      case "drop-provider":
        this.#providers.delete(change.id);
        for (const [id, link] of this.#links) if (link.providerId === change.id) this.#links.delete(id);
        return;
      case "put-link":
        this.#links.set(change.link.id, change.link);
        return;
      case "drop-link":
        this.#links.delete(change.id);
        return;
      default:
        change satisfies never;
    }
  }

  async #takeBack(change: EngineChange): Promise<void> {
    const undo: EngineChange | undefined =
      change.type === "put-placement"
        ? (optional(this.#placements.get(change.spec.id), (spec) => ({ type: "put-placement", spec })) ?? {
            type: "drop-placement",
            id: change.spec.id,
            drainMs: 0,
          })
        : change.type === "put-provider"
          ? { type: "drop-provider", id: change.spec.id, drainMs: 0 }
          : undefined;
    if (undo) await Promise.allSettled(this.#all().map((engine) => engine.apply(undo)));
  }
}

function optional<T>(value: T | undefined, make: (value: T) => EngineChange): EngineChange | undefined {
  return value === undefined ? undefined : make(value);
}

/** What was to be dropped in an engine that was lost went with it. */
function wentWithIt(change: EngineChange, error: unknown): boolean {
  return change.type.startsWith("drop-") && isLatticeError(error) && error.code === "ENGINE_LOST";
}
