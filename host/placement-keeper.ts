import { type GuestCall, type Introduce, Pool, type Scheduler } from "../actors/index.ts";
import { canonicalContract, fail } from "../lattice/index.ts";
import { ActorHealth, askActor } from "./actor-health.ts";
import type { Dispatch } from "./dispatch.ts";
import type { PlacementSpec, PlacementStats } from "./engine-messages.ts";
import type { EngineOptions } from "./engine-options.ts";
import { type PlacementRow, type Tables, tokenExpired } from "./tables.ts";

/** The placements of one engine: their pools from the first instance to the last. */
export class PlacementKeeper {
  readonly #options: EngineOptions;
  readonly #tables: Tables;
  readonly #dispatch: Dispatch;
  readonly #scheduler: Scheduler;
  readonly #introductions = new Map<string, Introduce>();
  readonly #expiry = new Map<string, NodeJS.Timeout>();
  /** Replaced by an update, finishing what they hold. */
  readonly #retiring = new Set<Pool>();
  readonly #health: ActorHealth;
  #stopped = false;

  constructor(options: EngineOptions, tables: Tables, dispatch: Dispatch, scheduler: Scheduler) {
    this.#options = options;
    this.#tables = tables;
    this.#dispatch = dispatch;
    this.#scheduler = scheduler;
    this.#health = new ActorHealth(tables, options.limits.healthMs, options.onReport);
  }

  /**
   * Warms the new pool before anyone sees it; an update drains the old one afterwards. With `mustBeWell` it is asked
   * for its health, too.
   * @throws LatticeError UPDATE_REFUSED when it says that it is not well; GUEST_START_FAILED, INSTANCE_LIMIT, STOPPED.
   */
  async put(spec: PlacementSpec, mustBeWell = false): Promise<void> {
    const row = this.#row(spec);
    if (spec.places.includes(this.#options.place)) {
      const pool = this.#pool(row);
      row.pool = pool;
      try {
        await pool.warm();
        if (mustBeWell) await this.#mustBeWell(row, pool);
        if (this.#stopped) throw fail("STOPPED", "the host");
      } catch (error) {
        await pool.stop();
        throw error;
      }
    }
    const held = this.#tables.placements.get(spec.id);
    this.#tables.placements.set(spec.id, row);
    this.#tables.placementChanged(spec.id);
    this.#watchExpiry(row);
    this.#health.forget(spec.id);
    if (held?.pool) this.#retire(held.pool);
  }

  async #mustBeWell(row: PlacementRow, pool: Pool): Promise<void> {
    if (row.spec.module.claims.portableProvider) return;
    const answer = await askActor(row, pool);
    if (answer.said === "unwell")
      throw fail("UPDATE_REFUSED", row.origin.name, `the new module says that it is not well: ${answer.message}`);
    // Asking may have cost the instance.
    await pool.warm();
  }

  async resize(id: string, instances: number): Promise<void> {
    const row = this.#tables.placements.get(id);
    if (!row) return;
    row.spec = { ...row.spec, limits: { ...row.spec.limits, instances } };
    row.pool?.resize({ max: instances });
  }

  /** Takes no new calls; resolves when those in flight are done, or at the deadline. It stays known until `drop`. */
  async drain(id: string, deadlineMs: number): Promise<void> {
    const row = this.#tables.placements.get(id);
    if (!row) return;
    row.draining = true;
    this.#tables.placementChanged(id);
    await row.pool?.drain(deadlineMs);
  }

  /** Ends it at once, and every call that it still holds. */
  async drop(id: string): Promise<void> {
    const row = this.#tables.placements.get(id);
    if (!row) return;
    row.draining = true;
    this.#tables.placements.delete(id);
    this.#tables.placementChanged(id);
    this.#dispatch.forget(id);
    this.#introductions.delete(id);
    this.#health.forget(id);
    clearTimeout(this.#expiry.get(id));
    this.#expiry.delete(id);
    await row.pool?.stop();
  }

  /** For the portable provider that a placement is: the last step of a call that dispatch has let through. */
  async call(id: string, call: GuestCall): Promise<Uint8Array> {
    const row = this.#tables.placements.get(id);
    if (!row?.pool) throw fail("PLACEMENT_ABSENT", id);
    if (row.expired) throw tokenExpired(row);
    return row.pool.call(call);
  }

  /** What each new instance of a portable provider's guest is told from now on. */
  introduceBy(id: string, introduce: Introduce): void {
    this.#introductions.set(id, introduce);
  }

  /** Of those that run here. */
  stats(): PlacementStats[] {
    return [...this.#tables.placements.values()].flatMap(({ spec, pool }) =>
      pool ? [{ id: spec.id, ...pool.stats(), problem: this.#health.problemOf(spec.id) }] : [],
    );
  }

  async drainAll(deadlineMs: number): Promise<void> {
    await Promise.all(this.#pools().map((pool) => pool.drain(deadlineMs)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#health.stop();
    for (const timer of this.#expiry.values()) clearTimeout(timer);
    this.#expiry.clear();
    await Promise.all(this.#pools().map((pool) => pool.stop()));
  }

  #pools(): Pool[] {
    return [...[...this.#tables.placements.values()].flatMap(({ pool }) => pool ?? []), ...this.#retiring];
  }

  #row(spec: PlacementSpec): PlacementRow {
    const { key, era, claims } = spec.module;
    return {
      spec,
      pool: undefined,
      claims: new Set(claims.capabilities.flatMap((each) => [each, canonicalContract(each)])),
      origin: Object.freeze({ kind: "actor", key, name: claims.name, placement: spec.id, era }),
      linkedActor: this.#tables.actor(key),
      expired: false,
      draining: false,
    };
  }

  #pool(row: PlacementRow): Pool {
    const { id, module, limits } = row.spec;
    const { name } = module.claims;
    const host = this.#dispatch.hostOf(row, (stream, text, call) =>
      this.#options.onLog({
        placement: id,
        actor: name,
        at: Date.now(),
        level: "info",
        stream,
        text,
        traceId: traceId(call?.trace?.traceparent),
      }),
    );
    const { census, onReport } = this.#options;
    const introduce: Introduce = async (ask) => this.#introductions.get(id)?.(ask);
    const single = module.claims.portableProvider ? { introduce } : undefined;
    return new Pool({
      module,
      host,
      limits,
      scheduler: this.#scheduler,
      census,
      name,
      ...(single && { single }),
      onStartFailed: (error) => onReport("warn", `${name} gets no further instance: ${error.message}`),
    });
  }

  #retire(pool: Pool): void {
    this.#retiring.add(pool);
    void pool
      .drain(this.#options.limits.drainMs)
      .then(() => pool.stop())
      .finally(() => this.#retiring.delete(pool));
  }

  /** An actor whose token runs out while it runs accepts no more calls; those in flight finish. */
  #watchExpiry(row: PlacementRow): void {
    const { id, module } = row.spec;
    clearTimeout(this.#expiry.get(id));
    this.#expiry.delete(id);
    if (module.claims.expiresAt === undefined) return;
    // Timers hold 31 bits of milliseconds; a later date is looked at again by then.
    const left = module.claims.expiresAt * 1_000 - Date.now();
    const timer = setTimeout(
      () => {
        if (left > 2 ** 31 - 1) return this.#watchExpiry(row);
        row.expired = true;
        this.#tables.placementChanged(id);
        if (row.pool)
          this.#options.onReport("warn", `the token of ${row.origin.name} has expired; it takes no more calls`);
      },
      Math.min(Math.max(left, 0), 2 ** 31 - 1),
    );
    this.#expiry.set(id, timer.unref());
  }
}

/** The trace id inside a W3C traceparent. */
function traceId(traceparent: string | undefined): string | undefined {
  return traceparent?.split("-")[1];
}
