import type { WhyRemote } from "./course.ts";
import type { Fleet } from "./fleet.ts";
import type { SpiedCall, SpyBatch, SpyWish } from "./spy.ts";

/** A call as readers get it: texts are the callers' own, make them `harmless` before a terminal sees them. */
export interface SpiedRow {
  /** ISO 8601, UTC, milliseconds; when the call began. */
  readonly time: string;
  /** N key of the host that tells. */
  readonly host: string;
  readonly from: string;
  readonly from_name?: string;
  /** Key of an actor, or contract and link name. */
  readonly to: string;
  readonly to_name?: string;
  readonly operation: string;
  readonly bytes: number;
  readonly reply_bytes?: number;
  readonly ms: number;
  /** Of those waiting for an instance. */
  readonly queue_ms?: number;
  /** From when the guest began to its answer, what it asked of the host included. */
  readonly guest_ms?: number;
  /** On the wire, there and back, with the work of the other host. */
  readonly remote_ms?: number;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
  readonly where: "local" | "remote";
  /** Of calls that this host sends to another. */
  readonly why_remote?: WhyRemote;
  /** N key of the host that asked, which tells of the call too. */
  readonly asked_by?: string;
  /** The first 1 KiB as base64. */
  readonly payload?: string;
  readonly reply?: string;
}

/** In place of calls that came faster than they could be told. */
export interface MissedRow {
  readonly time: string;
  readonly host: string;
  readonly missed: number;
}

/** Rows that wait for one reader; beyond them calls are only counted. */
const mostWaiting = 5_000;

/** One actor's calls. */
type ActorWish = SpyWish & { readonly actor: string };

interface Reader extends ActorWish {
  readonly rows: SpiedCall[];
  missed: number;
  wake: () => void;
}

/** Those who watch calls of this host. The engines look at calls only while there is one. */
export class Spies {
  readonly #host: string;
  readonly #fleet: Fleet;
  readonly #nameOf: (key: string) => string | undefined;
  readonly #readers = new Set<Reader>();
  readonly #taps = new Set<(batch: SpyBatch) => void>();

  constructor(host: string, fleet: Fleet, nameOf: (key: string) => string | undefined) {
    this.#host = host;
    this.#fleet = fleet;
    this.#nameOf = nameOf;
  }

  /** Calls of and to an actor as they settle, until `signal` is aborted. */
  async *watch(wish: ActorWish, signal: AbortSignal): AsyncGenerator<SpiedRow | MissedRow, void, undefined> {
    const reader: Reader = { ...wish, rows: [], missed: 0, wake: () => {} };
    const wake = (): void => reader.wake();
    signal.addEventListener("abort", wake);
    this.#readers.add(reader);
    try {
      await this.#tell();
      while (!signal.aborted) {
        const rows = reader.rows.splice(0);
        const { missed } = reader;
        reader.missed = 0;
        for (const row of rows) yield this.#row(row, reader.payload);
        if (missed > 0) yield { time: new Date().toISOString(), host: this.#host, missed };
        if (rows.length === 0 && missed === 0) await new Promise<void>((resolve) => (reader.wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers.delete(reader);
      // A host that has stopped watches nothing any more.
      await this.#tell().catch(() => {});
    }
  }

  /** Every call of this host as it settles, without what it carries, until what is answered is called. */
  tap(take: (batch: SpyBatch) => void): () => void {
    this.#taps.add(take);
    const tell = (): void => void this.#tell().catch(() => {});
    tell();
    return () => {
      this.#taps.delete(take);
      tell();
    };
  }

  /** What an engine saw. */
  take({ calls, missed }: SpyBatch): void {
    for (const tap of this.#taps) tap({ calls, missed });
    for (const reader of this.#readers) {
      const its = calls.filter(({ from, to }) => isEnd(from, reader.actor) || isEnd(to, reader.actor));
      const room = Math.max(0, mostWaiting - reader.rows.length);
      reader.rows.push(...its.slice(0, room));
      reader.missed += missed + Math.max(0, its.length - room);
      reader.wake();
    }
  }

  async #tell(): Promise<void> {
    const spies: SpyWish[] = [...this.#readers].map(({ actor, payload }) => ({ actor, payload }));
    if (this.#taps.size > 0) spies.push({ payload: false });
    await this.#fleet.apply({ type: "put-spies", spies });
  }

  #row(call: SpiedCall, payload: boolean): SpiedRow {
    const { at, from, to, operation, bytes, replyBytes, ms, code, way, peer } = call;
    const { queueMs, guestMs, remoteMs, whyRemote } = call;
    const fromName = from.name ?? this.#nameOf(from.key);
    const toName = to.kind === "actor" ? this.#nameOf(to.key) : undefined;
    return {
      time: new Date(at).toISOString(),
      host: this.#host,
      from: from.key,
      ...(fromName === undefined ? {} : { from_name: fromName }),
      to: to.kind === "actor" ? to.key : `${to.contractId}/${to.linkName}`,
      ...(toName === undefined ? {} : { to_name: toName }),
      operation,
      bytes,
      ...(replyBytes === undefined ? {} : { reply_bytes: replyBytes }),
      ms,
      ...(queueMs === undefined ? {} : { queue_ms: queueMs }),
      ...(guestMs === undefined ? {} : { guest_ms: guestMs }),
      ...(remoteMs === undefined ? {} : { remote_ms: remoteMs }),
      outcome: code ?? "ok",
      where: way === "local" ? "local" : "remote",
      ...(whyRemote === undefined ? {} : { why_remote: whyRemote }),
      ...(peer === undefined ? {} : { asked_by: peer }),
      ...(payload && call.payload ? { payload: Buffer.from(call.payload).toString("base64") } : {}),
      ...(payload && call.reply ? { reply: Buffer.from(call.reply).toString("base64") } : {}),
    };
  }
}

function isEnd(end: SpiedCall["from"] | SpiedCall["to"], actor: string): boolean {
  return end.kind === "actor" && end.key === actor;
}
