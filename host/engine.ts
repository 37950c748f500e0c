import { Scheduler } from "../actors/index.ts";
import type { LinkStatus } from "../capabilities/index.ts";
import { type Asker, fail, type LatticeConnection, type VerifiedInvocation } from "../lattice/index.ts";
import type { Course } from "./course.ts";
import { Dispatch, type Peer } from "./dispatch.ts";
import { type EngineChange, type EngineStats, type Place, type ThreadMemory } from "./engine-messages.ts";
import type { EngineOptions } from "./engine-options.ts";
import { Failures } from "./failures.ts";
import { LinkKeeper } from "./link-keeper.ts";
import { Listeners } from "./listeners.ts";
import { compileMiddleware } from "./middleware.ts";
import { PlacementKeeper } from "./placement-keeper.ts";
import { ProviderDesk } from "./provider-desk.ts";
import { ProviderKeeper } from "./provider-keeper.ts";
import { Seat } from "./remote/seat.ts";
import type { ProviderAnswer, ProviderQuestion } from "./provider-questions.ts";
import { ProviderSteps } from "./provider-steps.ts";
import { Spy } from "./spy.ts";
import { SwapKeeper } from "./swap-keeper.ts";
import { type LinkRow, Tables } from "./tables.ts";

export type { EngineOptions } from "./engine-options.ts";

/** What the supervisor asks of an engine, in its own thread or over a port. */
export interface EngineHandle {
  readonly place: Place;
  /** Resolves when the change has taken effect for every later call. */
  apply(change: EngineChange): Promise<LinkStatus | undefined>;
  invoke(invocation: VerifiedInvocation): Promise<Uint8Array>;
  stats(): Promise<EngineStats>;
  /** Answers `undefined` when the provider does not run in this engine. */
  ask(question: ProviderQuestion): Promise<ProviderAnswer | undefined>;
  /** Takes no new calls from outside; resolves when those in flight are done, or at the deadline. May be called twice. */
  drain(deadlineMs: number): Promise<void>;
  /** May be called twice. */
  stop(): Promise<void>;
}

/**
 * One thread's share of a host: sockets, dispatch and guests together, so that a call never leaves
 * its thread. Runs in a worker, or in the caller's thread for tests and embedding.
 */
export class Engine implements EngineHandle {
  readonly place: Place;
  readonly tables: Tables;
  readonly dispatch: Dispatch;
  readonly listeners: Listeners;
  readonly #scheduler: Scheduler;
  readonly #placements: PlacementKeeper;
  readonly #providers: ProviderKeeper;
  readonly #links: LinkKeeper;
  readonly #swaps: SwapKeeper;
  readonly #questions: ProviderDesk;
  readonly #failures = new Failures();
  readonly #seat: Seat;
  readonly #onSpied: EngineOptions["onSpied"];
  #stopping: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    const { place, limits, strict, policy, middleware, onReport } = options;
    this.place = place;
    this.#onSpied = options.onSpied;
    this.tables = new Tables(place);
    this.#scheduler = new Scheduler({ sliceMs: limits.sliceMs });
    this.listeners = new Listeners({
      reusePort: options.sharePorts,
      headerBytes: limits.httpHeaderBytes,
      headerMs: limits.httpHeaderMs,
      requestMs: limits.httpRequestMs,
      idleMs: limits.httpIdleMs,
      onError: (text) => onReport("warn", text),
    });
    this.dispatch = new Dispatch({
      tables: this.tables,
      hopLimit: limits.hops,
      payloadBytes: limits.payloadBytes,
      strict,
      policy,
      aroundActor: compileMiddleware(middleware, "actor"),
      aroundProvider: compileMiddleware(middleware, "provider"),
      onUnclaimed: ({ origin }, contractId) =>
        onReport(
          "warn",
          `${origin.name} uses ${contractId} without claiming it; sign it with that capability (strict hosts refuse)`,
        ),
    });
    const steps = new ProviderSteps(options);
    this.#placements = new PlacementKeeper(options, this.tables, this.dispatch, this.#scheduler);
    this.#providers = new ProviderKeeper(options, this, this.#placements, steps);
    this.#links = new LinkKeeper(this.tables, steps, options);
    this.#swaps = new SwapKeeper(this.tables, this.dispatch, this.#links, options.onNews);
    this.#questions = new ProviderDesk(this.tables);
    const { tables, dispatch } = this;
    const invoke = this.invoke.bind(this);
    const submit = this.submit.bind(this);
    const report = (text: string) => onReport("warn", text);
    this.#seat = new Seat({ place, tables, dispatch, payloadBytes: limits.payloadBytes, invoke, submit, report });
  }

  async apply(change: EngineChange): Promise<LinkStatus | undefined> {
    if (this.#stopping) throw fail("STOPPED", "the host");
    switch (change.type) {
      case "put-placement":
        await this.#placements.put(change.spec, change.mustBeWell);
        return undefined;
      case "resize-placement":
        await this.#placements.resize(change.id, change.instances);
        return undefined;
      case "drain-placement":
        if (this.#seat.taken) await this.#seat.leaveActor(change.id, change.drainMs);
        await this.#placements.drain(change.id, change.drainMs);
        return undefined;
      case "drop-placement":
        await this.#placements.drop(change.id);
        return undefined;
      case "put-provider":
        await this.#providers.put(change.spec, change.staged);
        // One that shall take over is nobody's to call yet.
        if (!change.staged) this.#seat.providerStarted(change.spec);
        return undefined;
      case "drop-provider":
        if (this.#seat.taken) await this.#seat.leaveProvider(change.id, change.drainMs);
        await this.#providers.drop(change.id, change.drainMs);
        return undefined;
      case "renew-provider":
        await this.#providers.renew(change.spec);
        return undefined;
      case "put-link":
        return await this.#links.put(change.link);
      case "drop-link":
        await this.#links.drop(change.id);
        return undefined;
      case "put-peer":
        this.#seat.putPeer(change.peer);
        return undefined;
      case "drop-peer":
        this.#seat.dropPeer(change.host, change.orderly);
        return undefined;
      case "put-aliases":
        this.tables.putAliases(change.aliases);
        return undefined;
      case "join":
        await this.#seat.join(change.remote);
        return undefined;
      case "stage-link":
        return await this.#links.stage(change.link);
      case "hold-provider":
        this.#swaps.hold(change.id);
        return undefined;
      case "release-provider":
        this.#swaps.release(change.id);
        return undefined;
      case "swap-provider":
        await this.#swaps.swap(change);
        this.#seat.providerServes(change.to);
        return undefined;
      case "give-provider":
        this.#swaps.give(change);
        return undefined;
      case "put-former-keys":
        for (const { now, ...from } of change.keys) this.tables.formerKeys.renamed(from, now);
        return undefined;
      case "drain-provider":
        await this.#providers.drain(change.id, change.drainMs);
        return undefined;
      case "put-spies":
        this.dispatch.spy?.flush();
        this.dispatch.spy = change.spies.length > 0 ? new Spy(change.spies, this.#onSpied) : undefined;
        return undefined;
      default:
        return change satisfies never;
    }
  }

  /**
   * A call from outside the guests: counted by error code when it fails, and with the link that it
   * came by.
   */
  invoke(invocation: VerifiedInvocation, link?: LinkRow): Promise<Uint8Array> {
    const failed = (error: unknown) => {
      if (link) link.errors++;
      this.#failures.note(error, invocation);
    };
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      answer = this.dispatch.invoke(invocation);
    } catch (error) {
      failed(error);
      return Promise.reject(error);
    }
    if (answer instanceof Uint8Array) return Promise.resolve(answer);
    // Beside the answer, not around it: the caller waits for the first promise and no other.
    answer.catch(failed);
    return answer;
  }

  /** `invoke` without a promise: `asker` is told, at once or later. @throws LatticeError what it meets at once. */
  submit(invocation: VerifiedInvocation, asker: Asker<Uint8Array>): void {
    const failed = (error: unknown): void => this.#failures.note(error, invocation);
    try {
      this.dispatch.submit(invocation, {
        answered: (reply) => asker.answered(reply),
        failed: (error) => {
          failed(error);
          asker.failed(error);
        },
      });
    } catch (error) {
      failed(error);
      throw error;
    }
  }

  /** A call that another engine sends; it was counted where it came in. */
  async answer(invocation: VerifiedInvocation, away = false, course?: Course): Promise<Uint8Array> {
    if (course) this.dispatch.spy?.follow(invocation, course);
    return away ? this.dispatch.sendAway(invocation) : this.dispatch.enter(invocation);
  }

  /** The connection that it uses in place of one of its own; before `join`, by whoever owns it. */
  share(connection: LatticeConnection): void {
    this.#seat.share(connection);
  }

  connect(place: Place, peer: Peer): void {
    this.dispatch.peers.set(place, peer);
  }

  disconnect(place: Place): void {
    this.dispatch.peers.delete(place);
  }

  async stats(): Promise<EngineStats> {
    const placements = this.#placements.stats();
    return {
      place: this.place,
      placements,
      links: [...this.tables.links.values()].map(({ spec, calls, errors }) => ({ id: spec.id, calls, errors })),
      errors: this.#failures.counts,
      recentErrors: this.#failures.recent,
      unclaimed: this.dispatch.unclaimed,
      connections: this.listeners.connections,
      requests: this.listeners.requests,
      providers: await this.#providers.stats(),
      instances: placements.reduce((sum, { instances }) => sum + instances, 0),
      memory: threadMemory(),
      ...(this.#seat.figures ? { remote: this.#seat.figures } : {}),
    };
  }

  ask(question: ProviderQuestion): Promise<ProviderAnswer | undefined> {
    return this.#questions.ask(question);
  }

  async drain(deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    // What comes in first, then what it led to.
    await Promise.all([this.listeners.drain(deadlineMs), this.#seat.drain(deadlineMs)]);
    const left = Math.max(0, end - performance.now());
    await Promise.all([this.#placements.drainAll(left), this.#providers.drainAll(left)]);
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#seat.stop();
      await this.#providers.stop();
      await this.listeners.close();
      await this.#placements.stop();
      this.dispatch.stop();
      this.tables.clear();
      this.#scheduler.stop();
    })();
    return this.#stopping;
  }
}

/** Of the thread that asks. */
function threadMemory(): ThreadMemory {
  const { heapUsed: heapBytes, external: externalBytes } = process.memoryUsage();
  return { heapBytes, externalBytes };
}
