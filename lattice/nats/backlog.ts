import { fail } from "../errors.ts";

/** A request that may be over before it was sent. */
export interface Wanted {
  /** False once nobody waits for its answer any more. */
  readonly wanted: boolean;
}

/** A message ready to be sent. */
export interface Outgoing {
  /** The line and, with headers, the headers. */
  readonly head: string;
  readonly payload: Uint8Array;
  /** Length of headers and payload. */
  readonly bytes: number;
  /** Who waits for what it asks, if anybody does. */
  readonly wait?: Wanted | undefined;
}

/** What was published while no server was there, in order and within a bound. */
export class Backlog {
  readonly #limit: number;
  #messages: Outgoing[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws LatticeError BUS_FULL. */
  add(message: Outgoing, server: string): void {
    const bytes = message.head.length + message.bytes;
    if (this.#bytes + bytes > this.#limit) this.#forgetUnwanted();
    if (this.#bytes + bytes > this.#limit) throw fail("BUS_FULL", server, this.#bytes);
    this.#bytes += bytes;
    this.#messages.push(message);
  }

  /** Everything that is still wanted and that a server with this limit takes. */
  take(maxPayload: number): Outgoing[] {
    this.#forgetUnwanted();
    const fitting = this.#messages.filter(({ bytes }) => bytes <= maxPayload);
    this.#messages = [];
    this.#bytes = 0;
    return fitting;
  }

  #forgetUnwanted(): void {
    this.#messages = this.#messages.filter(({ wait }) => wait === undefined || wait.wanted);
    this.#bytes = this.#messages.reduce((sum, { head, bytes }) => sum + head.length + bytes, 0);
  }
}
