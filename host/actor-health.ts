import type { Pool } from "../actors/index.ts";
import { decodeReply, encodeOperation, healthOperation } from "../capabilities/index.ts";
import { describe, isLatticeError } from "../lattice/index.ts";
import type { PlacementRow, Tables } from "./tables.ts";

/** Longest wait for what a guest says of itself, in milliseconds. */
const answerMs = 1_000;
/** Guests without a handler say no more than this, and are alive. */
const noHandler = "GUEST_FAILED";
/** Codes that say something of the host or of the moment. */
const notItsOwn: ReadonlySet<string> = new Set(["QUEUE_FULL", "DRAINING", "STOPPED", "INSTANCE_LIMIT"]);

/** What a guest says of itself, or why it cannot be asked. */
export type ActorAnswer =
  | { readonly said: "well" }
  | { readonly said: "unwell"; readonly message: string }
  | { readonly said: "nothing"; readonly error: unknown };

/**
 * Asks one instance how it is, beside its work: nothing of it is counted.
 * Source: waPC and actors reference, section 11.0.
 */
export async function askActor({ spec: { module } }: PlacementRow, pool: Pool): Promise<ActorAnswer> {
  const { era, language } = module;
  const operation = healthOperation(era);
  try {
    const reply = await pool.call({
      operation,
      payload: encodeOperation(era, language, operation),
      deadline: performance.now() + answerMs,
      hops: 0,
      trace: undefined,
      aside: true,
    });
    const found = decodeReply(era, operation, reply) as { healthy?: unknown; message?: unknown };
    if (found.healthy !== false) return { said: "well" };
    return { said: "unwell", message: typeof found.message === "string" ? found.message : "it says so" };
  } catch (error) {
    return isLatticeError(error) && error.code === noHandler ? { said: "well" } : { said: "nothing", error };
  }
}

/**
 * How the actors of one engine are. Each is asked when it rests and has worked since it was asked last, one after
 * the other: a guest that nobody called is as it was. One that breaks when it is asked is left alone.
 */
export class ActorHealth {
  readonly #tables: Tables;
  readonly #report: (level: "info" | "warn", text: string) => void;
  readonly #timer: NodeJS.Timeout;
  /** Calls that a pool had answered when it was asked last. */
  readonly #asked = new WeakMap<Pool, number>();
  /** What is wrong, by placement. */
  readonly #problems = new Map<string, string>();
  #asking = false;
  #stopped = false;

  constructor(tables: Tables, everyMs: number, report: (level: "info" | "warn", text: string) => void) {
    this.#tables = tables;
    this.#report = report;
    this.#timer = setInterval(() => void this.#round(), everyMs).unref();
  }

  /** Why a placement is not well, as it says; undefined when it is, or says nothing. */
  problemOf(placement: string): string | undefined {
    return this.#problems.get(placement);
  }

  forget(placement: string): void {
    this.#problems.delete(placement);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #round(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (const row of this.#tables.placements.values()) {
        if (this.#stopped) return;
        const { pool } = row;
        if (pool && this.#isDue(row, pool)) await this.#ask(row, pool);
      }
    } finally {
      this.#asking = false;
    }
  }

  #isDue({ draining, expired, spec }: PlacementRow, pool: Pool): boolean {
    // A portable provider keeps what it knows in its only instance.
    if (draining || expired || spec.module.claims.portableProvider || pool.pressure > 0) return false;
    const before = this.#asked.get(pool) ?? -1;
    if (before === Infinity) return false;
    const { calls, instances } = pool.stats();
    if (instances === 0 || calls === before) return false;
    this.#asked.set(pool, calls);
    return true;
  }

  async #ask(row: PlacementRow, pool: Pool): Promise<void> {
    const answer = await askActor(row, pool);
    const { id } = row.spec;
    if (this.#tables.placements.get(id)?.pool !== pool) return;
    const { name } = row.origin;
    const before = this.#problems.get(id);
    if (answer.said === "unwell") {
      this.#problems.set(id, answer.message);
      if (before !== answer.message) this.#report("warn", `${name} says that it is not well: ${answer.message}`);
    } else if (answer.said === "well") {
      this.#problems.delete(id);
      if (before !== undefined) this.#report("info", `${name} is well again`);
    } else if (!isLatticeError(answer.error) || !notItsOwn.has(answer.error.code)) {
      this.#asked.set(pool, Infinity);
      this.#report("info", `${name} is not asked for its health any more: ${describe(answer.error)}`);
    }
  }
}
