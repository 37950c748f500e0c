import { randomUUID } from "node:crypto";
import { type Bus, describe, type Subjects } from "../../lattice/index.ts";
import type { EventName, HostEvent } from "../events.ts";
import type { Host } from "../host.ts";
import { cloudEvent } from "./cloud-events.ts";

type EventData = HostEvent["data"];

/**
 * Publishes what happens on this host, each event twice with one id: for all, and under its name.
 * What happened while the server was away is told when it is back, as far as the host has kept it.
 */
export class EventsOut {
  readonly #host: Host;
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #end: () => void;
  /** The last event that was published. */
  #last = 0;
  /** Which form of an event was told last, when not its first. */
  readonly #shortened = new Map<EventName, number>();

  constructor(host: Host, bus: Bus, subjects: Subjects) {
    this.#host = host;
    this.#bus = bus;
    this.#subjects = subjects;
    this.#end = host.events.subscribe(() => this.flush());
  }

  /** Publishes what is not yet published, if the server is there. */
  flush(): void {
    if (this.#bus.status !== "connected") return;
    for (const event of this.#host.events.recent(this.#last)) {
      this.#last = event.sequence;
      this.#publish(event.type, this.#payload(event));
    }
  }

  /**
   * An event for others only, which the host itself does not keep: in the first of these forms that is no larger
   * than a message may be, else in the last.
   */
  tell(type: EventName, ...forms: readonly [() => EventData, ...(() => EventData)[]]): void {
    if (this.#bus.status !== "connected") return;
    const head = { id: randomUUID(), type, time: new Date().toISOString() };
    for (const [index, form] of forms.entries()) {
      const payload = this.#payload({ ...head, data: form() });
      if (payload.length > this.#bus.maxPayloadBytes && index < forms.length - 1) continue;
      this.#noteForm(type, index);
      this.#publish(type, payload);
      return;
    }
  }

  /** Publishes the rest, then no more. */
  stop(): void {
    this.flush();
    this.#end();
  }

  #noteForm(type: EventName, index: number): void {
    if (index > (this.#shortened.get(type) ?? 0))
      this.#host.logger.warn(
        `event ${type} says less than it could: the server takes ${this.#bus.maxPayloadBytes} bytes in a message`,
      );
    this.#shortened.set(type, index);
  }

  #payload(event: Omit<HostEvent, "sequence">): Uint8Array {
    return Buffer.from(JSON.stringify(cloudEvent(event, this.#host.id)));
  }

  #publish(type: EventName, payload: Uint8Array): void {
    try {
      this.#bus.publish(this.#subjects.write("events"), payload);
      this.#bus.publish(this.#subjects.write("event", { event: type }), payload);
    } catch (error) {
      this.#host.logger.warn(`event ${type} could not be published: ${describe(error)}`);
    }
  }
}
