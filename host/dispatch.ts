import type { CallSite, GuestCall, GuestHost, Pool, Waiter } from "../actors/index.ts";
import {
  type Asker,
  defaultLinkName,
  fail,
  localInvocation,
  promised,
  type Target,
  tell,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import { type Course, whyActorAway, whyProviderAway } from "./course.ts";
import { Deadlines, graceMs } from "./deadlines.ts";
import { Hold } from "./hold.ts";
import type { Place } from "./engine-messages.ts";
import type { Answer, Around } from "./middleware.ts";
import { isUnanswered } from "./not-begun.ts";
import { askPolicy, type Policy } from "./policy.ts";
import { policyRequest } from "./policy-ends.ts";
import { ProviderCalls } from "./provider-calls.ts";
import { remoteRoute, resolveRoute, type Route } from "./routes.ts";
import type { Spy } from "./spy.ts";
import { type LinkRow, type PlacementRow, type Tables, tokenExpired } from "./tables.ts";

/** Another engine of this host, where a thing runs that does not run here. */
export interface Peer {
  /** False once the other end is gone. */
  readonly open: boolean;
  /**
   * What becomes of the call there is noted in `course`.
   * @throws LatticeError ENGINE_LOST when that engine ends before it answers.
   */
  invoke(invocation: VerifiedInvocation, course?: Course): Promise<Uint8Array>;
  /** Has that engine ask another host. */
  send(invocation: VerifiedInvocation): Promise<Uint8Array>;
}

/** The way to other hosts of the lattice. */
export interface Elsewhere {
  /** Another host runs that actor, and its queue is not full. */
  hasRoom(key: string, placement: string | undefined): boolean;
  /** Another host runs the provider of that link. */
  runsProvider(link: LinkRow): boolean;
  /**
   * `asker` is told, later than this returns, also of ACTOR_ABSENT when no host runs it, HOST_LOST, RPC_TIMEOUT, and what
   * the call meets there. @throws LatticeError what is known at once.
   */
  askActor(invocation: VerifiedInvocation, asker: Asker<Uint8Array>): void;
  /** The same with PROVIDER_ABSENT. */
  askProvider(invocation: VerifiedInvocation, link: LinkRow, asker: Asker<Uint8Array>): void;
}

export interface DispatchOptions {
  readonly tables: Tables;
  readonly hopLimit: number;
  readonly payloadBytes: number;
  /** Refuse unclaimed logging and numbers too. */
  readonly strict: boolean;
  readonly policy: Policy | undefined;
  readonly aroundActor: Around | undefined;
  readonly aroundProvider: Around | undefined;
  /** Told once per placement and contract that it uses an unclaimed host service. */
  readonly onUnclaimed: (placement: PlacementRow, contractId: string) => void;
}

/**
 * The crossroads. Every call, from a guest, a provider, an operator or another engine, enters
 * `invoke` as a verified invocation and passes the same steps in the same order: hops, size, who is
 * meant, may they, here or there. Nobody waits for an answer beyond the deadline of the call.
 */
export class Dispatch {
  readonly peers = new Map<Place, Peer>();
  /** Undefined while this host is in no lattice. */
  elsewhere: Elsewhere | undefined;
  /** Undefined while nobody watches calls. */
  spy: Spy | undefined;
  unclaimed = 0;
  readonly #options: DispatchOptions;
  readonly #tables: Tables;
  readonly #deadlines = new Deadlines();
  readonly #providers = new ProviderCalls(this.#deadlines);
  readonly #warned = new Set<string>();
  #turn = 0;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#tables = options.tables;
  }

  /**
   * Answers one call: bytes at once where the answer is there already, else a promise.
   * @throws LatticeError as the catalogue says, directly or by rejection.
   */
  invoke(invocation: VerifiedInvocation, route?: Route): Uint8Array | Promise<Uint8Array> {
    const { spy } = this;
    return spy ? spy.watch(invocation, () => this.enter(invocation, route)) : this.enter(invocation, route);
  }

  /** `invoke` without a promise: `waiter` is told, at once or later. @throws LatticeError what it meets at once. */
  submit(invocation: VerifiedInvocation, waiter: Waiter): void {
    const route = this.#resolve(invocation);
    if (route.kind === "actor" && this.#goStraight(invocation, waiter)) return;
    const answer = this.invoke(invocation, route);
    if (answer instanceof Uint8Array) waiter.answered(answer);
    else tell(answer, waiter);
  }

  /** As `invoke`, for calls that were seen already when they came into this host. */
  enter(invocation: VerifiedInvocation, route: Route = this.#resolve(invocation)): Uint8Array | Promise<Uint8Array> {
    this.#check(invocation);
    const { policy, aroundActor, aroundProvider } = this.#options;
    if (route.kind === "service" && route.unclaimed) this.#noteUnclaimed(invocation, route.contractId);
    const answer = this.#answerOf(invocation, route);
    // Policy and middleware run once, in the engine that answers.
    if (typeof answer !== "function") return answer;
    const around = route.kind === "actor" ? aroundActor : aroundProvider;
    return policy || around ? this.#guarded(policy, around, invocation, route, answer) : answer(invocation);
  }

  /** Asks another host, for an engine that has no connection of its own and has looked at the call. */
  sendAway(invocation: VerifiedInvocation): Uint8Array | Promise<Uint8Array> {
    const { elsewhere } = this;
    const { target, origin } = invocation;
    if (!elsewhere) throw fail("STOPPED", "the lattice");
    if (target.kind === "actor") return promised((asker) => elsewhere.askActor(invocation, asker));
    const link =
      origin.kind === "actor" ? this.#tables.findLinkOf(origin.key, target.contractId, target.linkName) : undefined;
    if (!link) throw fail("LINK_ABSENT", nameOf(target), target.contractId, target.linkName);
    return promised((asker) => elsewhere.askProvider(invocation, link, asker));
  }

  /** The way out of one placement's guests. */
  hostOf(placement: PlacementRow, log: GuestHost["log"]): GuestHost {
    return {
      hostCall: (site: CallSite, payload: Uint8Array, call: GuestCall, waiter: Waiter) => {
        if (site.epoch !== this.#tables.epoch) {
          site.route = resolveRoute(this.#tables, placement, site, this.#options.strict);
          site.epoch = this.#tables.epoch;
        }
        // Dispatch alone writes `route`.
        const route = site.route as Route;
        const target: Target =
          route.kind === "actor"
            ? { kind: "actor", key: route.key }
            : { kind: "contract", contractId: site.namespace, linkName: site.binding };
        const { deadline, hops, trace } = call;
        const invocation = localInvocation(
          placement.origin,
          target,
          site.operation,
          payload,
          deadline,
          hops + 1,
          trace,
        );
        if (route.kind === "actor" && this.#goStraight(invocation, waiter)) return undefined;
        return this.invoke(invocation, route);
      },
      log,
    };
  }

  /** When nothing stands between, actor calls actor without promises, here or on another host. False: it takes the usual way. */
  #goStraight(invocation: VerifiedInvocation, waiter: Waiter): boolean {
    const { policy, aroundActor } = this.#options;
    if (policy || aroundActor || this.spy) return false;
    this.#check(invocation);
    const row = this.#choose(invocation);
    if (row && !row.pool) return false;
    if (row) row.pool!.submit(invocation, waiter);
    // `#choose` answers nobody only when there is somewhere else.
    else this.elsewhere!.askActor(invocation, waiter);
    return true;
  }

  /** @throws LatticeError HOPS_EXCEEDED, PAYLOAD_TOO_LARGE. */
  #check({ hops, target, operation, payload }: VerifiedInvocation): void {
    const { hopLimit, payloadBytes } = this.#options;
    if (hops >= hopLimit) throw fail("HOPS_EXCEEDED", nameOf(target), hopLimit);
    const size = payload.byteLength;
    if (size > payloadBytes) throw fail("PAYLOAD_TOO_LARGE", `the payload of ${operation}`, size, payloadBytes);
  }

  /** From now on calls to what `name` names wait. */
  hold(name: string): Hold {
    return new Hold(this.#deadlines, name);
  }

  /** Drops what is remembered of a placement that is gone. */
  forget(placementId: string): void {
    for (const name of this.#warned) if (name.startsWith(`${placementId} `)) this.#warned.delete(name);
  }

  /** Fails what still waits for an answer. */
  stop(): void {
    this.#deadlines.stop(fail("STOPPED", "the host"));
  }

  /** The same for calls that come whole, from outside the guests of this engine. */
  #resolve({ origin, target, from }: VerifiedInvocation): Route {
    if (from !== undefined) return remoteRoute(this.#tables, origin, target);
    if (origin.kind !== "actor") {
      if (target.kind === "actor") return { kind: "actor", key: target.key };
      const who = origin.kind === "operator" ? origin.name : origin.key;
      return { kind: "refused", error: () => fail("LINK_ABSENT", who, target.contractId, target.linkName) };
    }
    const placement = this.#tables.placements.get(origin.placement);
    if (!placement) return { kind: "refused", error: () => fail("PLACEMENT_ABSENT", origin.placement) };
    const site =
      target.kind === "actor"
        ? { binding: defaultLinkName, namespace: target.key }
        : { binding: target.linkName, namespace: target.contractId };
    return resolveRoute(this.#tables, placement, site, this.#options.strict);
  }

  /** Policy and middleware around the last step of a call; what they need promises for is bounded too. */
  #guarded(
    policy: Policy | undefined,
    around: Around | undefined,
    invocation: VerifiedInvocation,
    route: Route,
    answer: Answer,
  ): Uint8Array | Promise<Uint8Array> {
    const { operation, deadline } = invocation;
    const what = `${operation} on ${nameOf(invocation.target)}`;
    const asked = policy && askPolicy(policy, policyRequest(invocation, route), what);
    if (!asked && !around) return answer(invocation);
    const since = performance.now();
    // After a wait the tables may have changed: whoever answers by then.
    const last: Answer = (each) => {
      const found = this.#answerOf(each, this.#resolve(each));
      return typeof found === "function" ? found(each) : found;
    };
    const run = () => (around ? around(invocation, last) : last(invocation));
    const outcome = asked ? asked.then(run) : run();
    if (outcome instanceof Uint8Array) return outcome;
    return this.#deadlines.bound(outcome, deadline + graceMs, () =>
      fail("DEADLINE_EXCEEDED", what, Math.round(deadline - since)),
    );
  }

  /** Who answers here, or, when the target runs in another engine, the answer of that engine. */
  #answerOf(invocation: VerifiedInvocation, route: Route): Answer | Promise<Uint8Array> {
    switch (route.kind) {
      case "actor": {
        const row = this.#choose(invocation);
        if (!row) {
          return this.#sendToActor(invocation);
        }
        const { pool } = row;
        if (pool && this.spy) return (each) => this.#callWatched(pool, each);
        return pool ? (each) => pool.call(each) : this.#askPeer(row.spec.places, invocation, row.origin.name);
      }
      case "provider": {
        const { link } = route;
        const behind = link.provider;
        if (!behind) return this.#sendOver(link, invocation);
        const { spec, provider, draining, hold, down } = behind;
        if (hold) {
          behind.waited++;
          const again = () => this.enter(invocation);
          return hold.wait(invocation.deadline + graceMs, again, () => void behind.refused++);
        }
        if ((draining || down !== undefined) && invocation.from === undefined && this.elsewhere?.runsProvider(link))
          return this.#sendOver(link, invocation);
        if (draining) throw fail("DRAINING", spec.name);
        if (down !== undefined) throw fail("PROVIDER_DOWN", spec.name, down);
        return provider
          ? (each) => this.#providers.overLink(each, link, link.provider!)
          : this.#askPeer(spec.places, invocation, spec.name);
      }
      case "service":
        // Those run in every engine.
        return (each) => this.#providers.service(each, route.provider, route.link);
      case "refused":
        throw route.error();
      default:
        return route satisfies never;
    }
  }

  /**
   * Local first; another engine's placement only when none runs here; another host's, as undefined,
   * only when none here can take the call and one there can.
   */
  #choose({ target, origin, hops, from }: VerifiedInvocation): PlacementRow | undefined {
    // Only actor targets are routed here.
    const { key, placement: wanted } = target as Extract<Target, { kind: "actor" }>;
    const rows = this.#tables.placementsOf(key);
    // A provider has encoded for one era; while an update goes through the placements they may differ.
    const era = origin.kind === "provider" ? rows[0]?.linkedActor.era : undefined;
    let chosen: PlacementRow | undefined;
    for (const row of rows) {
      if (wanted !== undefined ? row.spec.id !== wanted : era !== undefined && row.spec.module.era !== era) continue;
      if (!chosen || load(row) < load(chosen)) chosen = row;
    }
    const elsewhere = from === undefined ? this.elsewhere : undefined;
    if (!chosen) {
      if (elsewhere) return undefined;
      throw fail("ACTOR_ABSENT", key);
    }
    const { origin: actor, expired, draining } = chosen;
    if (elsewhere && (expired || (draining && hops === 0) || isFull(chosen)) && elsewhere.hasRoom(key, wanted))
      return undefined;
    if (expired) throw tokenExpired(chosen);
    // Nested calls may belong to chains that it still has to finish; its pool knows.
    if (draining && hops === 0) throw fail("DRAINING", actor.name);
    return chosen;
  }

  #sendToActor(invocation: VerifiedInvocation): Promise<Uint8Array> {
    const { spy } = this;
    // `#choose` answers nobody only when there is somewhere else.
    const elsewhere = this.elsewhere!;
    const ask = () => promised<Uint8Array>((asker) => elsewhere.askActor(invocation, asker));
    if (!spy) return ask();
    const { key, placement } = invocation.target as Extract<Target, { kind: "actor" }>;
    const why = whyActorAway(this.#tables.placementsOf(key), placement);
    return spy.goesAway(invocation, why, ask);
  }

  #callWatched(pool: Pool, invocation: VerifiedInvocation): Promise<Uint8Array> {
    const { spy } = this;
    return spy ? spy.toGuest(invocation, (begun) => pool.call(invocation, begun)) : pool.call(invocation);
  }

  #sendOver(link: LinkRow, invocation: VerifiedInvocation): Promise<Uint8Array> {
    const { from, hops } = invocation;
    // Another host's call goes on only to where the provider went that it was meant for.
    if (!this.elsewhere || (from !== undefined && !this.#tables.givenTo(link.spec)))
      throw fail("PROVIDER_ABSENT", link.spec.provider);
    link.calls++;
    const { spy, elsewhere } = this;
    const sent = from === undefined ? invocation : { ...invocation, hops: hops + 1 };
    const ask = () => promised<Uint8Array>((asker) => elsewhere.askProvider(sent, link, asker));
    const answer = spy ? spy.goesAway(invocation, whyProviderAway(link), ask) : ask();
    answer.catch((error: unknown) => {
      link.errors++;
      if (from !== undefined && isUnanswered(error)) this.#tables.noteUnserved(link.spec);
    });
    return answer;
  }

  #askPeer(places: readonly Place[], invocation: VerifiedInvocation, name: string): Promise<Uint8Array> {
    const reachable = places.filter((place) => this.peers.get(place)?.open);
    const peer = this.peers.get(reachable[this.#turn++ % reachable.length] ?? Number.NaN);
    if (!peer) throw fail("ENGINE_LOST", places.join(", ") || name);
    return peer.invoke(invocation, this.spy?.courseOf(invocation));
  }

  #noteUnclaimed({ origin }: VerifiedInvocation, contractId: string): void {
    this.unclaimed++;
    const placement = origin.kind === "actor" ? this.#tables.placements.get(origin.placement) : undefined;
    const name = `${placement?.spec.id} ${contractId}`;
    if (!placement || this.#warned.has(name)) return;
    this.#warned.add(name);
    this.#options.onUnclaimed(placement, contractId);
  }
}

/** Waiting calls weigh most; a placement of another engine loses against one that runs here. */
function load(row: PlacementRow): number {
  if (row.expired || row.draining) return Number.MAX_SAFE_INTEGER;
  return row.pool ? row.pool.pressure : 1e9;
}

/** The next call would be refused. */
function isFull({ pool, spec: { limits } }: PlacementRow): boolean {
  return pool !== undefined && pool.pressure >= limits.instances + limits.queue;
}

function nameOf(target: Target): string {
  return target.kind === "actor" ? target.key : target.contractId;
}
