import { cutText } from "./harmless.ts";
import type { ActorLogLevel } from "./log-levels.ts";

/** Where a line came from: the console import, WASI's standard streams, the logging contract, or the host itself. */
export type LogStream = "console" | "stdout" | "stderr" | "logging" | "host";

/** A line of one placement as it arrives. */
export interface LogLine {
  readonly placement: string;
  /** Name of the actor. */
  readonly actor: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly level: ActorLogLevel;
  readonly stream: LogStream;
  readonly text: string;
  readonly traceId?: string;
}

/** A line as readers get it; `text` is the guest's own: make it `harmless` before a terminal sees it. */
export interface LogEntry {
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string;
  readonly placement: string;
  readonly actor: string;
  readonly level: ActorLogLevel;
  readonly stream: LogStream;
  readonly text: string;
  readonly trace_id?: string;
}

export interface LogQuery {
  /** Only the last so many of what is kept; lines that follow are not counted. */
  readonly tail?: number;
  /** Only lines at or after this moment, in milliseconds since 1970. */
  readonly since?: number;
  /** Goes on with new lines until every placement asked for has stopped, or `signal` aborts. */
  readonly follow?: boolean;
  /** Placements that are followed too when they come later; asked often. */
  readonly later?: () => readonly string[];
  readonly signal?: AbortSignal;
}

export interface LogBounds {
  /** Lines kept of each placement. */
  readonly logLines: number;
  /** Characters kept of each line. */
  readonly logLineChars: number;
  /** Characters kept of each placement: of long lines fewer are kept. */
  readonly logChars: number;
  /** Stopped placements whose lines are kept, the latest ones. */
  readonly stoppedLogs: number;
}

/** The lines that a host keeps of its placements: the latest of each, bounded in every direction. */
export class LogBook {
  readonly #bounds: LogBounds;
  readonly #rings = new Map<string, Ring>();
  /** Ids of stopped placements, the one that stopped first in front. */
  readonly #stopped = new Set<string>();
  /** Told when a placement writes for the first time. */
  readonly #newcomers = new Set<() => void>();

  constructor(bounds: LogBounds) {
    this.#bounds = bounds;
  }

  /** Keeps a line. A line of a placement that has stopped is kept too: it may have been on its way. */
  write(line: LogLine): void {
    const ring = this.#ring(line.placement);
    const isNew = ring.written === 0;
    const text = cutText(line.text, this.#bounds.logLineChars);
    ring.push(text === line.text ? line : { ...line, text });
    if (isNew) for (const wake of this.#newcomers) wake();
  }

  /** The placement has stopped: followers end, its lines stay for a while. May be called twice. */
  stop(placement: string): void {
    const ring = this.#ring(placement);
    if (ring.stopped) return;
    ring.end();
    this.#stopped.add(placement);
    for (const oldest of this.#stopped) {
      if (this.#stopped.size <= this.#bounds.stoppedLogs) break;
      this.#stopped.delete(oldest);
      this.#rings.delete(oldest);
    }
  }

  /** Placements whose lines are kept, the stopped ones first. */
  placements(): readonly { readonly id: string; readonly actor: string; readonly stopped: boolean }[] {
    return [...this.#rings]
      .map(([id, ring]) => ({ id, actor: ring.last?.actor ?? "", stopped: ring.stopped }))
      .toSorted((a, b) => Number(b.stopped) - Number(a.stopped));
  }

  /** What is kept of these placements now, oldest first. */
  tail(placements: readonly string[], query: LogQuery = {}): LogEntry[] {
    const { since = -Infinity, tail } = query;
    const lines = this.#ringsOf(placements)
      .flatMap((ring) => ring.from(0))
      .filter((line) => line.at >= since)
      .toSorted((a, b) => a.at - b.at);
    return (tail === undefined ? lines : tail === 0 ? [] : lines.slice(-tail)).map(entryOf);
  }

  /**
   * What is kept, then, with `follow`, what comes. A reader too slow for its writer gets a line of
   * stream `host` in place of what it missed; the writer never waits.
   */
  async *read(placements: readonly string[], query: LogQuery = {}): AsyncGenerator<LogEntry, void, undefined> {
    const cursors = placements.map((id) => ({ id, next: this.#rings.get(id)?.written ?? 0 }));
    const { later = () => [] } = query;
    yield* this.tail(placements, query);
    while (query.follow && !query.signal?.aborted) {
      for (const id of later()) if (!cursors.some((known) => known.id === id)) cursors.push({ id, next: 0 });
      const followed = cursors.map(({ id }) => id);
      const fresh: LogLine[] = [];
      for (const cursor of cursors) {
        const ring = this.#rings.get(cursor.id);
        if (!ring) continue;
        const missed = ring.oldest - cursor.next;
        const lines = ring.from(cursor.next);
        if (missed > 0 && lines[0]) {
          fresh.push({
            ...lines[0],
            level: "warn",
            stream: "host",
            text: `${missed} lines came faster than they were read`,
          });
        }
        fresh.push(...lines);
        cursor.next = ring.written;
      }
      if (fresh.length > 0) yield* fresh.toSorted((a, b) => a.at - b.at).map(entryOf);
      else if (this.#allStopped(followed)) return;
      else await this.#change(followed, query.signal);
    }
  }

  #ringsOf(placements: readonly string[]): Ring[] {
    return placements.flatMap((id) => this.#rings.get(id) ?? []);
  }

  /** A placement without a line so far counts as running: the asker knows that it exists. */
  #allStopped(placements: readonly string[]): boolean {
    return placements.every((id) => this.#rings.get(id)?.stopped ?? false);
  }

  /** Resolves at the next line or stop of one of them, at the first of another, or when `signal` aborts. */
  async #change(placements: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const rings = placements.map((id) => this.#ring(id));
    for (const ring of rings) ring.wakers.add(resolve);
    this.#newcomers.add(resolve);
    const wake = (): void => resolve();
    signal?.addEventListener("abort", wake);
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#newcomers.delete(resolve);
      for (const ring of rings) ring.wakers.delete(resolve);
      for (const id of placements) if (this.#rings.get(id)?.unused) this.#rings.delete(id);
    }
  }

  #ring(placement: string): Ring {
    let ring = this.#rings.get(placement);
    if (!ring) this.#rings.set(placement, (ring = new Ring(this.#bounds)));
    return ring;
  }
}

/** The latest lines of one placement, with the count of all that were ever written. */
class Ring {
  readonly wakers = new Set<() => void>();
  stopped = false;
  written = 0;
  /** Number of the oldest line that is kept. */
  oldest = 0;
  readonly #capacity: number;
  readonly #mostChars: number;
  #chars = 0;
  /** Grows to the capacity, then is written round and round: line n stands at n modulo capacity. */
  readonly #lines: (LogLine | undefined)[] = [];

  constructor({ logLines, logChars }: LogBounds) {
    this.#capacity = logLines;
    this.#mostChars = logChars;
  }

  get last(): LogLine | undefined {
    return this.#lines[(this.written - 1) % this.#capacity];
  }

  /** Made by a reader that waited in vain. */
  get unused(): boolean {
    return this.written === 0 && !this.stopped && this.wakers.size === 0;
  }

  push(line: LogLine): void {
    this.#chars += line.text.length;
    if (this.written - this.oldest === this.#capacity) this.#drop();
    while (this.#chars > this.#mostChars && this.oldest < this.written) this.#drop();
    this.#lines[this.written % this.#capacity] = line;
    this.written++;
    for (const wake of this.wakers) wake();
  }

  #drop(): void {
    const place = this.oldest++ % this.#capacity;
    this.#chars -= this.#lines[place]!.text.length;
    this.#lines[place] = undefined;
  }

  /** Lines from number `first` on, as far as they are kept. */
  from(first: number): LogLine[] {
    const lines: LogLine[] = [];
    for (let at = Math.max(first, this.oldest); at < this.written; at++) {
      lines.push(this.#lines[at % this.#capacity] as LogLine);
    }
    return lines;
  }

  end(): void {
    this.stopped = true;
    for (const wake of this.wakers) wake();
  }
}

function entryOf(line: LogLine): LogEntry {
  return {
    time: new Date(line.at).toISOString(),
    placement: line.placement,
    actor: line.actor,
    level: line.level,
    stream: line.stream,
    text: line.text,
    ...(line.traceId === undefined ? {} : { trace_id: line.traceId }),
  };
}
