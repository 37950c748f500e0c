import type { CallSite, GuestCall, GuestHost } from "../actors/index.ts";
import type { Link, ProviderCall } from "../capabilities/index.ts";
import {
  fail,
  failFrom,
  describe,
  isLatticeError,
  localInvocation,
  type Target,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import type { Place } from "./engine-messages.ts";
import type { Answer, Around } from "./middleware.ts";
import type { Policy } from "./policy.ts";
import { resolveRoute, type Route } from "./routes.ts";
import type { LinkRow, PlacementRow, ProviderRow, Tables } from "./tables.ts";

/** Another engine of this host, where a thing runs that does not run here. */
export interface Peer {
  /** False once the other end is gone. */
  readonly open: boolean;
  /** @throws LatticeError ENGINE_LOST when that engine ends before it answers. */
  invoke(invocation: VerifiedInvocation): Promise<Uint8Array>;
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
 * `invoke` as a verified invocation and passes the same steps in the same order: hops, deadline,
 * who is meant, may they, here or there.
 */
export class Dispatch {
  readonly peers = new Map<Place, Peer>();
  unclaimed = 0;
  readonly #options: DispatchOptions;
  readonly #tables: Tables;
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
  invoke(invocation: VerifiedInvocation, route: Route = this.#resolve(invocation)): Uint8Array | Promise<Uint8Array> {
    const { hopLimit, payloadBytes, policy } = this.#options;
    if (invocation.hops >= hopLimit) throw fail("HOPS_EXCEEDED", nameOf(invocation.target), hopLimit);
    if (invocation.payload.byteLength > payloadBytes) {
      throw fail(
        "PAYLOAD_TOO_LARGE",
        `the payload of ${invocation.operation}`,
        invocation.payload.byteLength,
        payloadBytes,
      );
    }
    if (route.kind === "refused") throw route.error();
    const answer = this.#local(invocation, route);
    // Policy and middleware run once, in the engine that answers.
    if (typeof answer !== "function") return answer;
    return policy ? this.#afterPolicy(policy, invocation, route, answer) : this.#around(invocation, route, answer);
  }

  /** The way out of one placement's guests. */
  hostOf(placement: PlacementRow, log: GuestHost["log"]): GuestHost {
    return {
      hostCall: (site: CallSite, payload: Uint8Array, call: GuestCall) => {
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
        return this.invoke(
          localInvocation(placement.origin, target, site.operation, payload, call.deadline, call.hops + 1, call.trace),
          route,
        );
      },
      log,
    };
  }

  #resolve({ origin, target }: VerifiedInvocation): Route {
    if (target.kind === "actor") return { kind: "actor", key: target.key };
    const placement = origin.kind === "actor" ? this.#tables.placements.get(origin.placement) : undefined;
    if (!placement)
      return { kind: "refused", error: () => fail("LINK_ABSENT", origin.kind, target.contractId, target.linkName) };
    return resolveRoute(
      this.#tables,
      placement,
      { binding: target.linkName, namespace: target.contractId },
      this.#options.strict,
    );
  }

  async #afterPolicy(
    policy: Policy,
    invocation: VerifiedInvocation,
    route: Route,
    answer: Answer,
  ): Promise<Uint8Array> {
    const { origin, target, operation } = invocation;
    const request = {
      action: "perform_invocation" as const,
      origin: origin.kind === "operator" ? origin.name : origin.key,
      target: target.kind === "actor" ? target.key : target.contractId,
      operation,
    };
    const what = `${operation} on ${nameOf(target)}`;
    const decision = await Promise.resolve()
      .then(() => policy(request))
      .catch((error: unknown) => ({ deny: `the policy itself failed: ${describe(error)}` }));
    if ("deny" in decision) throw fail("POLICY_REFUSED", what, decision.deny);
    return this.#around(invocation, route, answer);
  }

  /** Who answers here, or, when the target runs in another engine, the answer of that engine. */
  #local(invocation: VerifiedInvocation, route: Route): Answer | Promise<Uint8Array> {
    switch (route.kind) {
      case "actor": {
        const row = this.#choose(invocation.target);
        const { pool } = row;
        return pool ? (each) => pool.call(each) : this.#askPeer(row.spec.places, invocation, row.origin.name);
      }
      case "provider": {
        const { link } = route;
        const { spec, provider, draining } = link.provider;
        if (draining) throw fail("DRAINING", spec.name);
        if (provider) return (each) => this.#askProvider(each, link);
        link.calls++;
        return this.#counted(link, this.#askPeer(spec.places, invocation, spec.name));
      }
      case "service":
        if (route.unclaimed) this.#noteUnclaimed(invocation, route.contractId);
        return (each) => this.#askService(each, route.provider, route.linkName);
      case "refused":
        throw route.error();
      default:
        return route satisfies never;
    }
  }

  #around(invocation: VerifiedInvocation, route: Route, answer: Answer): Uint8Array | Promise<Uint8Array> {
    const { aroundActor, aroundProvider } = this.#options;
    const around = route.kind === "actor" ? aroundActor : aroundProvider;
    return around ? around(invocation, answer) : answer(invocation);
  }

  /** Local first; another engine's placement only when none runs here. */
  #choose(target: Target): PlacementRow {
    // Only actor targets are routed here.
    const { key, placement: wanted } = target as Extract<Target, { kind: "actor" }>;
    const rows = this.#tables.placementsOf(key);
    let chosen: PlacementRow | undefined;
    for (const row of rows) {
      if (wanted !== undefined && row.spec.id !== wanted) continue;
      if (!chosen || load(row) < load(chosen)) chosen = row;
    }
    if (!chosen) throw fail("ACTOR_ABSENT", key);
    const { origin, expired, draining, spec } = chosen;
    if (expired) throw fail("TOKEN_EXPIRED", origin.name, isoSeconds(spec.module.claims.expiresAt));
    if (draining) throw fail("DRAINING", origin.name);
    return chosen;
  }

  #askProvider(invocation: VerifiedInvocation, row: LinkRow): Uint8Array | Promise<Uint8Array> {
    row.calls++;
    const { provider: behind } = row;
    behind.calls++;
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      // `#local` has seen that it runs here.
      answer = behind.provider!.handle(providerCall(invocation, row.link));
    } catch (error) {
      row.errors++;
      throw providerError(error, behind, invocation.operation);
    }
    if (answer instanceof Uint8Array) return answer;
    const settled = this.#counted(row, contain(answer, behind, invocation.operation));
    return row.deadlineMs > 0 ? within(settled, row.deadlineMs, behind.spec.name) : settled;
  }

  #askService(invocation: VerifiedInvocation, behind: ProviderRow, linkName: string): Uint8Array | Promise<Uint8Array> {
    // `resolveRoute` names host services only, and those run in every engine.
    const provider = behind.provider!;
    behind.calls++;
    try {
      const answer = provider.handle(providerCall(invocation, this.#serviceLink(invocation, behind, linkName)));
      return answer instanceof Uint8Array ? answer : contain(answer, behind, invocation.operation);
    } catch (error) {
      throw providerError(error, behind, invocation.operation);
    }
  }

  readonly #serviceLinks = new Map<string, Link>();

  /** Host services need no link; they get one made up per placement, since a provider sees links only. */
  #serviceLink({ origin }: VerifiedInvocation, behind: ProviderRow, linkName: string): Link {
    // Only a placement's calls are routed to host services.
    const { placement: id } = origin as Extract<VerifiedInvocation["origin"], { kind: "actor" }>;
    const name = `${id} ${behind.spec.id} ${linkName}`;
    let link = this.#serviceLinks.get(name);
    if (!link) {
      const placement = this.#tables.placements.get(id);
      if (!placement) throw fail("PLACEMENT_ABSENT", id);
      const { linkedActor } = placement;
      const { contractId, key } = behind.spec;
      link = {
        id: name,
        actor: linkedActor.key,
        provider: key,
        contractId,
        linkName,
        values: {},
        revision: 1,
        linkedActor,
      };
      this.#serviceLinks.set(name, link);
    }
    return link;
  }

  /** Drops what was made up for a placement that is gone. */
  forget(placementId: string): void {
    for (const name of this.#serviceLinks.keys())
      if (name.startsWith(`${placementId} `)) this.#serviceLinks.delete(name);
    for (const name of this.#warned) if (name.startsWith(`${placementId} `)) this.#warned.delete(name);
  }

  #askPeer(places: readonly Place[], invocation: VerifiedInvocation, name: string): Promise<Uint8Array> {
    const reachable = places.filter((place) => this.peers.get(place)?.open);
    const peer = this.peers.get(reachable[this.#turn++ % reachable.length] ?? Number.NaN);
    if (!peer) throw fail("ENGINE_LOST", places.join(", ") || name);
    return peer.invoke(invocation);
  }

  #noteUnclaimed({ origin }: VerifiedInvocation, contractId: string): void {
    this.unclaimed++;
    const placement = origin.kind === "actor" ? this.#tables.placements.get(origin.placement) : undefined;
    const name = `${placement?.spec.id} ${contractId}`;
    if (!placement || this.#warned.has(name)) return;
    this.#warned.add(name);
    this.#options.onUnclaimed(placement, contractId);
  }

  async #counted(row: LinkRow, answer: Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      return await answer;
    } catch (error) {
      row.errors++;
      throw error;
    }
  }
}

function providerCall(invocation: VerifiedInvocation, link: Link): ProviderCall {
  const { origin, target } = invocation;
  return {
    contractId: target.kind === "contract" ? target.contractId : link.contractId,
    operation: invocation.operation,
    payload: invocation.payload,
    linkName: link.linkName,
    origin,
    era: link.linkedActor.era,
    link,
    deadline: invocation.deadline,
    hops: invocation.hops,
    trace: invocation.trace,
  };
}

/** A provider's own failure, whatever it threw, stays behind its contract. */
function providerError(error: unknown, behind: ProviderRow, operation: string): unknown {
  return isLatticeError(error)
    ? error
    : failFrom(error, "PROVIDER_FAILED", behind.spec.name, operation, describe(error));
}

async function contain(answer: Promise<Uint8Array>, behind: ProviderRow, operation: string): Promise<Uint8Array> {
  let bytes: unknown;
  try {
    bytes = await answer;
  } catch (error) {
    throw providerError(error, behind, operation);
  }
  if (bytes instanceof Uint8Array) return bytes;
  throw fail("REPLY_MALFORMED", behind.spec.name, operation, "a provider answers bytes");
}

/** Bounds a wait by the link's own deadline; the late answer is dropped. */
export function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(fail("DEADLINE_EXCEEDED", what, ms)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Waiting calls weigh most; a placement of another engine loses against one that runs here. */
function load(row: PlacementRow): number {
  if (row.expired || row.draining) return Number.MAX_SAFE_INTEGER;
  return row.pool ? row.pool.pressure : 1e9;
}

function nameOf(target: Target): string {
  return target.kind === "actor" ? target.key : target.contractId;
}

function isoSeconds(seconds: number | undefined): string {
  return seconds === undefined ? "never" : new Date(seconds * 1_000).toISOString();
}
