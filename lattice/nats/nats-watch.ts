import { setTimeout as delay } from "node:timers/promises";
import type { StateChange, StateWatch } from "../state.ts";
import { subjectMatches } from "../subject-patterns.ts";
import type { JetStream } from "./jetstream.ts";
import { marksDeletion } from "./nats-state.ts";
import type { NatsState } from "./nats-state.ts";
import { StreamReader } from "./stream-reader.ts";
import type { StreamEntry } from "./stream-reader.ts";

/** Longest wait before a watch that was lost is tried again. */
const longestWaitMs = 2_000;

/**
 * A watch that outlives its connection. Whenever it opens it reads what stands and tells only how
 * that differs from what it told before: so nothing is told twice and nothing is missed, whatever
 * happened meanwhile, even when the bucket was made anew.
 */
export class NatsWatch implements StateWatch {
  readonly #jetStream: JetStream;
  readonly #state: NatsState;
  readonly #pattern: string;
  readonly #tell: (change: StateChange) => void;
  readonly #stop = new AbortController();
  /** The entries told and not deleted since. */
  readonly #told = new Map<string, Told>();
  /** By key, writes of ours that were acknowledged and not told yet: when, in this thread's `performance.now()`. */
  readonly #written = new Map<string, { readonly revision: number; readonly at: number }>();
  /** The last revision that was told. */
  #reached = 0;
  #reader: StreamReader | undefined;
  /** When the bucket was made; another time is another bucket. */
  #created: string | undefined;
  #round = 0;

  constructor(jetStream: JetStream, state: NatsState, pattern: string, tell: (change: StateChange) => void) {
    this.#jetStream = jetStream;
    this.#state = state;
    this.#pattern = pattern;
    this.#tell = tell;
  }

  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  stop(): void {
    this.#stop.abort();
    this.#reader?.stop();
  }

  /** Resolves when everything that stands was told. @throws as `JetStream.api`; Error when it is cut off. */
  async open(): Promise<void> {
    const round = ++this.#round;
    const since = performance.now();
    this.#reader?.stop();
    const current = (): boolean => round === this.#round && !this.stopped.aborted;
    const { created, state } = await this.#state.readyAgain();
    if (!current()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    const found: StreamEntry[] = [];
    let standing = true;
    const complete = (): void => {
      if (!standing) return;
      standing = false;
      if (current()) this.#compare(found, created, state.last_seq, since);
      resolve();
    };
    const { reader, pending } = await StreamReader.open(this.#jetStream, {
      ...this.#state.reading,
      filter: this.#state.subject(this.#pattern),
      from: "last",
      onEntry: (entry) => {
        if (!current()) return;
        if (!standing) {
          this.#apply(entry);
          return;
        }
        found.push({ ...entry, payload: new Uint8Array(entry.payload) });
        if (entry.pending === 0) complete();
      },
      onLost: (why) => {
        if (standing) reject(new Error(why));
        else if (current()) this.reopen();
      },
    });
    if (!current()) {
      reader.stop();
      return;
    }
    this.#reader = reader;
    if (pending === 0) complete();
    const { stateTimeoutMs } = this.#jetStream.config;
    const timer = setTimeout(() => reject(new Error(`not all came in ${stateTimeoutMs} ms`)), stateTimeoutMs);
    try {
      await promise;
    } catch (error) {
      reader.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A write of ours was acknowledged; whoever made it may count on it already. */
  wrote(key: string, revision: number): void {
    if (revision > this.#reached && subjectMatches(this.#pattern, key))
      this.#written.set(key, { revision, at: performance.now() });
  }

  /** Opens anew, for as long as it takes. Does nothing while the first opening has not succeeded. */
  reopen(): void {
    if (this.#created !== undefined && !this.stopped.aborted) void this.#openAgain();
  }

  async #openAgain(): Promise<void> {
    for (let waitMs = 100; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
      const round = this.#round + 1;
      try {
        await this.open();
        return;
      } catch {
        if (round !== this.#round || this.stopped.aborted) return;
      }
      await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal: this.stopped }).catch(() => {});
      if (round !== this.#round || this.stopped.aborted) return;
    }
  }

  /**
   * What stands now against what was told, and against writes of ours before `since` that were not told
   * yet: entries first, then deletions nobody left a marker of.
   */
  #compare(found: readonly StreamEntry[], created: string, lastSequence: number, since: number): void {
    const again = this.#created !== undefined;
    if (again && this.#created !== created) for (const key of this.#told.keys()) this.#told.set(key, never);
    this.#created = created;
    this.#reached = lastSequence;
    const written = [...this.#written].filter(([, { at }]) => again && at < since).map(([key]) => key);
    for (const key of written) {
      this.#written.delete(key);
      // Whatever stands differs from what may be counted on.
      this.#told.set(key, never);
    }
    const keys = new Set(found.map(({ subject }) => this.#state.key(subject)));
    for (const entry of found) this.#apply(entry, again);
    for (const key of [...this.#told.keys()].filter((known) => !keys.has(known))) {
      this.#told.delete(key);
      this.#tell({ kind: "delete", key, revision: lastSequence, ...(again && { anew: true }) });
    }
  }

  #apply({ subject, headers, payload, sequence, at }: StreamEntry, again = false): void {
    const key = this.#state.key(subject);
    const before = this.#told.get(key);
    const mark = again ? ({ anew: true } as const) : {};
    this.#reached = Math.max(this.#reached, sequence);
    if (sequence >= (this.#written.get(key)?.revision ?? Infinity)) this.#written.delete(key);
    if (marksDeletion(headers)) {
      if (!this.#told.delete(key)) return;
      this.#tell({ kind: "delete", key, revision: sequence, ...mark });
    } else if (before?.sequence !== sequence || before.at !== at) {
      this.#told.set(key, { sequence, at });
      this.#tell({ kind: "put", key, value: new Uint8Array(payload), revision: sequence, ...mark });
    }
  }
}

interface Told {
  readonly sequence: number;
  /** When it was stored: a server that lost entries gives their sequences out again. */
  readonly at: number;
}

const never: Told = { sequence: 0, at: 0 };
