import { type Census, Pool, Scheduler } from "../actors/index.ts";
import {
  actorLogging,
  builtins,
  numberGenerator,
  type Link,
  type LinkStatus,
  type Provider,
} from "../capabilities/index.ts";
import {
  canonicalContract,
  describe,
  contractOf,
  fail,
  isLatticeError,
  type ErrorCode,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import { within } from "./deadlines.ts";
import { Dispatch, type Peer } from "./dispatch.ts";
import { linkDeadline } from "./link-deadline.ts";
import type {
  ActorLogLine,
  EngineChange,
  EngineStats,
  LinkSpec,
  Place,
  PlacementSpec,
  ProviderSpec,
  RecentError,
  ThreadMemory,
} from "./engine-messages.ts";
import type { Limits } from "./limits.ts";
import { Listeners } from "./listeners.ts";
import { compileMiddleware, type Middleware } from "./middleware.ts";
import type { Policy } from "./policy.ts";
import { portableProvider } from "./portable-provider.ts";
import { contextOf } from "./provider-context.ts";
import { type LinkRow, type PlacementRow, type ProviderRow, providerRow, Tables } from "./tables.ts";

export interface EngineOptions {
  readonly place: Place;
  readonly limits: Limits;
  /** Of the whole process. */
  readonly census: Census;
  readonly strict: boolean;
  readonly policy: Policy | undefined;
  readonly middleware: readonly Middleware[];
  /** Several engines listen on one port. */
  readonly sharePorts: boolean;
  /** Provider objects of this thread, by provider id. */
  readonly objects: ReadonlyMap<string, Provider>;
  readonly onLog: (line: ActorLogLine) => void;
  readonly onReport: (
    level: "debug" | "info" | "warn" | "error",
    text: string,
    fields?: Record<string, unknown>,
  ) => void;
}

/** What the supervisor asks of an engine, in its own thread or over a port. */
export interface EngineHandle {
  readonly place: Place;
  /** Resolves when the change has taken effect for every later call. */
  apply(change: EngineChange): Promise<LinkStatus | undefined>;
  invoke(invocation: VerifiedInvocation): Promise<Uint8Array>;
  stats(): Promise<EngineStats>;
  /** Takes no new calls from outside; resolves when those in flight are done, or at the deadline. */
  drain(deadlineMs: number): Promise<void>;
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
  readonly #options: EngineOptions;
  readonly #scheduler: Scheduler;
  readonly #census: Census;
  readonly #errors = new Map<ErrorCode, number>();
  readonly #recentErrors: RecentError[] = [];
  readonly #expiry = new Map<string, NodeJS.Timeout>();

  constructor(options: EngineOptions) {
    const { place, limits, strict, policy, middleware } = options;
    this.#options = options;
    this.place = place;
    this.tables = new Tables(place);
    this.#scheduler = new Scheduler({ sliceMs: limits.sliceMs });
    this.#census = options.census;
    this.listeners = new Listeners({
      reusePort: options.sharePorts,
      headerBytes: limits.httpHeaderBytes,
      headerMs: limits.httpHeaderMs,
      requestMs: limits.httpRequestMs,
      idleMs: limits.httpIdleMs,
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
        options.onReport(
          "warn",
          `${origin.name} uses ${contractId} without claiming it; sign it with that capability (strict hosts refuse)`,
        ),
    });
    this.#hostService("logging", actorLogging());
    this.#hostService("numbers", numberGenerator());
  }

  apply(change: EngineChange): Promise<LinkStatus | undefined> {
    switch (change.type) {
      case "put-placement":
        return this.#putPlacement(change.spec);
      case "resize-placement":
        return this.#resizePlacement(change.id, change.instances);
      case "drop-placement":
        return this.#dropPlacement(change.id, change.drainMs);
      case "put-provider":
        return this.#putProvider(change.spec);
      case "drop-provider":
        return this.#dropProvider(change.id, change.drainMs);
      case "put-link":
        return this.#putLink(change.link);
      case "drop-link":
        return this.#dropLink(change.id);
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
      this.#countError(error, invocation);
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

  /** A call that another engine sends; it was counted where it came in. */
  async answer(invocation: VerifiedInvocation): Promise<Uint8Array> {
    return this.dispatch.invoke(invocation);
  }

  #countError(error: unknown, { target, operation }: VerifiedInvocation): void {
    if (!isLatticeError(error)) return;
    const { code, message } = error;
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    if (
      this.#recentErrors.push({
        at: Date.now(),
        target: target.kind === "actor" ? target.key : target.contractId,
        operation,
        code,
        message,
      }) > 50
    ) {
      this.#recentErrors.shift();
    }
  }

  connect(place: Place, peer: Peer): void {
    this.dispatch.peers.set(place, peer);
  }

  disconnect(place: Place): void {
    this.dispatch.peers.delete(place);
  }

  async stats(): Promise<EngineStats> {
    const placements = [...this.tables.placements.values()].flatMap(({ spec, pool }) =>
      pool ? [{ id: spec.id, ...pool.stats() }] : [],
    );
    return {
      place: this.place,
      placements,
      links: [...this.tables.links.values()].map(({ spec, calls, errors }) => ({ id: spec.id, calls, errors })),
      errors: Object.fromEntries(this.#errors),
      recentErrors: [...this.#recentErrors],
      unclaimed: this.dispatch.unclaimed,
      connections: this.listeners.connections,
      requests: this.listeners.requests,
      unwell: (await Promise.all([...this.tables.providers.values()].map(unwell))).flat(),
      instances: placements.reduce((sum, { instances }) => sum + instances, 0),
      memory: threadMemory(),
    };
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.listeners.drain(deadlineMs);
    const pools = [...this.tables.placements.values()].flatMap(({ pool }) => (pool ? [pool.drain(deadlineMs)] : []));
    const providers = [...this.tables.providers.values()].flatMap(({ provider }) => provider?.drain?.() ?? []);
    // A provider that never finishes does not hold up the host.
    const late = new Promise((resolve) => setTimeout(resolve, deadlineMs).unref());
    await Promise.all([...pools, Promise.race([Promise.allSettled(providers), late])]);
  }

  async stop(): Promise<void> {
    for (const timer of this.#expiry.values()) clearTimeout(timer);
    this.#expiry.clear();
    for (const row of [...this.tables.providers.values(), ...this.tables.hostServices.values()]) {
      row.abort.abort();
      await row.provider?.stop?.();
    }
    await this.listeners.close();
    await Promise.all([...this.tables.placements.values()].flatMap(({ pool }) => (pool ? [pool.stop()] : [])));
    this.tables.placements.clear();
    this.tables.providers.clear();
    this.tables.links.clear();
    this.tables.changed();
    this.#scheduler.stop();
  }

  /** Starts the new pool and warms it before anyone sees it; an update drains the old one afterwards. */
  async #putPlacement(spec: PlacementSpec): Promise<undefined> {
    const { module } = spec;
    const held = this.tables.placements.get(spec.id);
    const { claims } = module;
    const row: PlacementRow = {
      spec,
      pool: undefined,
      claims: new Set(claims.capabilities.flatMap((each) => [each, canonicalContract(each)])),
      origin: Object.freeze({ kind: "actor", key: module.key, name: claims.name, placement: spec.id, era: module.era }),
      linkedActor: this.tables.actor(module.key),
      expired: false,
      draining: false,
    };
    if (spec.places.includes(this.place)) {
      const host = this.dispatch.hostOf(row, (stream, text, call) =>
        this.#options.onLog({
          placement: spec.id,
          actor: claims.name,
          at: Date.now(),
          level: "info",
          stream,
          text,
          traceId: traceId(call?.trace?.traceparent),
        }),
      );
      row.pool = new Pool({
        module,
        host,
        limits: spec.limits,
        scheduler: this.#scheduler,
        census: this.#census,
        name: claims.name,
      });
      try {
        await row.pool.warm();
      } catch (error) {
        await row.pool.stop();
        throw error;
      }
    }
    Object.assign(row.linkedActor, {
      name: claims.name,
      era: module.era,
      language: module.language,
      issuer: claims.issuer,
      capabilities: claims.capabilities,
      tags: claims.tags,
    });
    this.tables.placements.set(spec.id, row);
    this.tables.changed();
    this.#watchExpiry(row);
    if (held?.pool) void retire(held.pool, this.#options.limits.drainMs);
    return undefined;
  }

  async #resizePlacement(id: string, instances: number): Promise<undefined> {
    const row = this.#placement(id);
    row.spec = { ...row.spec, limits: { ...row.spec.limits, instances } };
    row.pool?.resize({ max: instances });
    return undefined;
  }

  async #dropPlacement(id: string, drainMs: number): Promise<undefined> {
    const row = this.tables.placements.get(id);
    if (!row) return undefined;
    row.draining = true;
    this.tables.placements.delete(id);
    this.tables.changed();
    this.dispatch.forget(id);
    clearTimeout(this.#expiry.get(id));
    this.#expiry.delete(id);
    if (row.pool) await retire(row.pool, drainMs);
    return undefined;
  }

  async #putProvider(spec: ProviderSpec): Promise<undefined> {
    const row = providerRow(spec, spec.places.includes(this.place) ? this.#makeProvider(spec) : undefined);
    await row.provider?.start?.(contextOf(this, row, this.#options));
    this.tables.providers.set(spec.id, row);
    this.tables.changed();
    return undefined;
  }

  #makeProvider(spec: ProviderSpec): Provider {
    const { source } = spec;
    switch (source.kind) {
      case "builtin": {
        const builtin = builtins.get(source.reference);
        if (!builtin) throw fail("PROVIDER_ABSENT", source.reference);
        return builtin.create(spec.config);
      }
      case "object": {
        const provider = this.#options.objects.get(spec.id);
        if (!provider) throw fail("PROVIDER_ABSENT", spec.name);
        return provider;
      }
      case "portable":
        return portableProvider(spec, (operation, payload, deadline, hops) =>
          this.#placement(source.placement).pool!.call({ operation, payload, deadline, hops, trace: undefined }),
        );
      default:
        return source satisfies never;
    }
  }

  async #dropProvider(id: string, drainMs: number): Promise<undefined> {
    const row = this.tables.providers.get(id);
    if (!row) return undefined;
    row.draining = true;
    const links = [...this.tables.links.values()].filter(({ provider }) => provider === row);
    for (const link of links) await row.provider?.deleteLink?.(link.link);
    const drained = row.provider?.drain?.();
    if (drained) await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, drainMs).unref())]);
    this.tables.providers.delete(id);
    for (const link of links) this.tables.links.delete(link.spec.id);
    this.tables.changed();
    row.abort.abort();
    await row.provider?.stop?.();
    return undefined;
  }

  /** The provider checks and opens first; the tables change only when it has. */
  async #putLink(spec: LinkSpec): Promise<LinkStatus | undefined> {
    const provider = this.tables.providers.get(spec.providerId);
    if (!provider) throw fail("PROVIDER_ABSENT", spec.provider);
    const held = this.tables.links.get(spec.id);
    if (held && held.provider === provider && held.spec.revision >= spec.revision) return undefined;
    const link: Link = { ...spec, linkedActor: this.tables.actor(spec.actor) };
    const row: LinkRow = {
      spec,
      link,
      provider,
      deadlineMs: linkDeadline(spec),
      calls: held?.calls ?? 0,
      errors: held?.errors ?? 0,
    };
    // The row stands before the provider opens: its first request may come at once.
    const known = held === undefined;
    if (known) this.tables.links.set(spec.id, row);
    let status: LinkStatus | void;
    try {
      status = await provider.provider?.putLink?.(link);
    } catch (error) {
      if (known) this.tables.links.delete(spec.id);
      throw error;
    }
    this.tables.links.set(spec.id, row);
    this.tables.changed();
    if (held && held.provider !== provider) await held.provider.provider?.deleteLink?.(held.link);
    return status ?? undefined;
  }

  async #dropLink(id: string): Promise<undefined> {
    const row = this.tables.links.get(id);
    if (!row) return undefined;
    this.tables.links.delete(id);
    this.tables.changed();
    await row.provider.provider?.deleteLink?.(row.link);
    return undefined;
  }

  #placement(id: string): PlacementRow {
    const row = this.tables.placements.get(id);
    if (!row) throw fail("PLACEMENT_ABSENT", id);
    return row;
  }

  /** An actor whose token runs out while it runs accepts no more calls; those in flight finish. */
  #watchExpiry(row: PlacementRow): void {
    const { id, module } = row.spec;
    clearTimeout(this.#expiry.get(id));
    if (module.claims.expiresAt === undefined) return;
    // Timers hold 31 bits of milliseconds; a later date is looked at again by then.
    const left = module.claims.expiresAt * 1_000 - Date.now();
    const timer = setTimeout(
      () => {
        if (left > 2 ** 31 - 1) return this.#watchExpiry(row);
        row.expired = true;
        this.tables.changed();
        this.#options.onReport("warn", `the token of ${row.origin.name} has expired; it takes no more calls`);
      },
      Math.min(Math.max(left, 0), 2 ** 31 - 1),
    );
    this.#expiry.set(id, timer.unref());
  }

  #hostService(capability: "logging" | "numbers", provider: Provider): void {
    const contractId = contractOf(capability);
    const spec: ProviderSpec = {
      id: `host:${capability}`,
      key: provider.key ?? "",
      name: provider.name,
      contractId,
      linkName: "default",
      config: {},
      source: { kind: "object" },
      places: [this.place],
    };
    const row = providerRow(spec, provider);
    this.tables.hostServices.set(contractId, row);
    void provider.start?.(contextOf(this, row, this.#options));
  }
}

/** Of the thread that asks. */
function threadMemory(): ThreadMemory {
  const { heapUsed: heapBytes, external: externalBytes } = process.memoryUsage();
  return { heapBytes, externalBytes };
}

/** Longest wait for a provider's word on its health, in milliseconds. */
const healthMs = 1_000;

/** Nothing when the provider is well or has nothing to say of it. */
async function unwell({ spec, provider }: ProviderRow): Promise<{ id: string; message: string }[]> {
  if (!provider?.health) return [];
  try {
    const { healthy, message } = await within(Promise.resolve(provider.health()), healthMs, spec.name);
    return healthy ? [] : [{ id: spec.id, message: message ?? "it says so" }];
  } catch (error) {
    return [{ id: spec.id, message: describe(error) }];
  }
}

async function retire(pool: Pool, drainMs: number): Promise<void> {
  await pool.drain(drainMs);
  await pool.stop();
}

/** The trace id inside a W3C traceparent. */
function traceId(traceparent: string | undefined): string | undefined {
  return traceparent?.split("-")[1];
}
