import { randomUUID } from "node:crypto";
import { type Bus, describe, type Subjects } from "../../lattice/index.ts";
import type { EventName, HostEvent } from "../events.ts";
import type { Host } from "../host.ts";
import { cloudEvent } from "./cloud-events.ts";

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
      this.#publish(event);
    }
  }

  /** An event for others only, which the host itself does not keep. */
  tell(type: EventName, data: Readonly<Record<string, unknown>>): void {
    if (this.#bus.status === "connected")
      this.#publish({ id: randomUUID(), type, time: new Date().toISOString(), data });
  }

  /** Publishes the rest, then no more. */
  stop(): void {
    this.flush();
    this.#end();
  }

  #publish(event: Omit<HostEvent, "sequence">): void {
    const payload = Buffer.from(JSON.stringify(cloudEvent(event, this.#host.id)));
    try {
      this.#bus.publish(this.#subjects.write("events"), payload);
      this.#bus.publish(this.#subjects.write("event", { event: event.type }), payload);
    } catch (error) {
      this.#host.logger.warn(`event ${event.type} could not be published: ${describe(error)}`);
    }
  }
}
