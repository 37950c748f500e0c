import type { Origin, Target, TraceContext, WireError } from "../lattice/index.ts";
import type { Course } from "./course.ts";

/** A payload of an item: on its own when it is long, else how many of the parcel's bytes are its. */
export type WirePayload = Uint8Array | number;

/**
 * Calls between engines of one host: always whole invocations, so the other side checks again. Tuples,
 * since the names of fields would be written and read with every message.
 */
export type WireItem =
  | readonly [
      type: "invoke",
      callId: number,
      payload: WirePayload,
      operation: string,
      /** Time left, since clocks of threads differ. */
      budgetMs: number,
      hops: number,
      /** To be answered by another host: the engine that asks has no connection of its own. */
      away: boolean,
      /** Somebody watches it: the answer tells its course. */
      timed: boolean,
      origin: Origin,
      target: Target,
      trace: TraceContext | undefined,
      /** The other host that it came from. */
      from: string | undefined,
    ]
  | readonly [type: "reply", callId: number, payload: WirePayload, course: Course | undefined]
  | readonly [type: "failed", callId: number, error: WireError, course: Course | undefined];

/** What one turn brought for the other end, with the short payloads side by side in the order of their items. */
export interface WireParcel {
  readonly items: readonly WireItem[];
  readonly bytes: Uint8Array;
}

/** A longer payload crosses on its own. */
const longestJoined = 4_096;
const mostJoined = 32_768;

const nothing = new Uint8Array(0);

/**
 * Packs parcels. A buffer of its own is most of what a small message costs between threads: in a
 * parcel of eight a call cost a tenth of what it cost alone.
 */
export class ParcelPacker {
  #items: WireItem[] = [];
  #bytes = nothing;
  #used = 0;

  /** Items that wait. */
  get length(): number {
    return this.#items.length;
  }

  /** Just before its item is added. A copy: whoever gave it may use its bytes again before the parcel goes. */
  payload(payload: Uint8Array): WirePayload {
    const { length } = payload;
    // The port clones whole buffers, and guest memory is one: a copy has just these bytes.
    if (length > longestJoined || this.#used + length > mostJoined) return payload.slice();
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(mostJoined);
    this.#bytes.set(payload, this.#used);
    this.#used += length;
    return length;
  }

  add(item: WireItem): void {
    this.#items.push(item);
  }

  /** Everything so far, to be posted before more is packed. */
  take(): WireParcel {
    const parcel = { items: this.#items, bytes: this.#bytes.slice(0, this.#used) };
    this.#items = [];
    this.#used = 0;
    return parcel;
  }
}

/** Hands out the payloads of a parcel, in the order of its items. */
export class ParcelReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor({ bytes }: WireParcel) {
    this.#bytes = bytes;
  }

  /** The caller's own, beside others in one buffer. */
  payload(payload: WirePayload): Uint8Array {
    if (typeof payload !== "number") return payload;
    const from = this.#at;
    this.#at += payload;
    return this.#bytes.subarray(from, this.#at);
  }
}
