import { randomUUID } from "node:crypto";

/** What can happen to a host, as the 0.x lattice names it. Source: lattice protocol reference, section 7. */
export const latticeEventNames = [
  "host_started",
  "host_stopped",
  "host_heartbeat",
  "actor_started",
  "actor_stopped",
  "actor_start_failed",
  "actors_started",
  "actors_stopped",
  "actors_start_failed",
  "actor_scaled",
  "actor_scale_failed",
  "actor_updated",
  "actor_update_failed",
  "provider_started",
  "provider_stopped",
  "provider_start_failed",
  "health_check_passed",
  "health_check_failed",
  "health_check_status",
  "linkdef_set",
  "linkdef_deleted",
  "refmap_set",
  "config_set",
  "config_deleted",
] as const;

/** What can happen to a host, and whether as the 0.x lattice names it or by a name of ours. */
export const eventNames = [
  ...latticeEventNames,
  "host_draining",
  "actor_expired",
  "provider_down",
  "provider_up",
  "provider_restarted",
  "provider_stalled",
  "swap_started",
  "swap_step",
  "swapped",
  "swap_failed",
  "swap_returned",
  "swap_interrupted",
  "engine_lost",
  "engine_replaced",
  "host_joined",
  "host_left",
  "labels_changed",
] as const;
export type EventName = (typeof eventNames)[number];

export interface HostEvent {
  readonly id: string;
  /** Grows by one with each event of this host. */
  readonly sequence: number;
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string;
  readonly type: EventName;
  /** Keys, names and reasons; never values of links, tokens or payloads. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /** Only events after this sequence number. Default: all that are kept. */
  readonly after?: number;
}

/** The latest events of a host, for those who ask later, and the way to hear of new ones. */
export class EventRing {
  readonly #capacity: number;
  /** Event n stands at n modulo capacity. */
  readonly #events: HostEvent[] = [];
  readonly #subscribers = new Set<(event: HostEvent) => void>();
  #sequence = 0;

  /** Keeps the last `capacity` events. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  emit(type: EventName, data: Readonly<Record<string, unknown>> = {}): HostEvent {
    const sequence = ++this.#sequence;
    const event: HostEvent = Object.freeze({ id: randomUUID(), sequence, time: new Date().toISOString(), type, data });
    this.#events[sequence % this.#capacity] = event;
    for (const subscriber of this.#subscribers) subscriber(event);
    return event;
  }

  /** The number of the last event. */
  get sequence(): number {
    return this.#sequence;
  }

  /** One change under all the names that clients wait for. */
  tell(told: readonly (readonly [EventName, Readonly<Record<string, unknown>>])[]): void {
    for (const [type, data] of told) this.emit(type, data);
  }

  /** What is kept, oldest first. */
  recent(after = 0): HostEvent[] {
    const events: HostEvent[] = [];
    for (let at = Math.max(after, this.#sequence - this.#capacity) + 1; at <= this.#sequence; at++) {
      events.push(this.#events[at % this.#capacity] as HostEvent);
    }
    return events;
  }

  /**
   * Calls `listener` at each event, in the emitter's own turn: return soon and throw nothing.
   * Gives back what ends it, which may be called twice.
   */
  subscribe(listener: (event: HostEvent) => void): () => void {
    this.#subscribers.add(listener);
    return () => void this.#subscribers.delete(listener);
  }

  /** What is kept, then what comes, until `signal` aborts. Of what a slow reader missed, `sequence` shows the gap. */
  async *watch({ signal, after = 0 }: WatchOptions = {}): AsyncGenerator<HostEvent, void, undefined> {
    let last = after;
    for (;;) {
      if (signal?.aborted) return;
      const events = this.recent(last);
      for (const event of events) {
        last = event.sequence;
        yield event;
      }
      if (events.length === 0) await this.#next(signal);
    }
  }

  async #next(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const end = this.subscribe(wake);
    signal?.addEventListener("abort", wake);
    try {
      await promise;
    } finally {
      end();
      signal?.removeEventListener("abort", wake);
    }
  }
}
