import { randomBytes } from "node:crypto";
import { asBuffer } from "./frame-bytes.ts";
import type { AcceptedHello } from "./hello.ts";
import { flowMac } from "./mac.ts";
import type { End, Mac } from "./mac.ts";
import { ReplayWindow } from "./replay-window.ts";
import { streamBytes } from "./session-frames.ts";
import type { SessionIdentity } from "./session-identity.ts";

/** Streams that a caller asked for and did not use yet, and those in use: its engine may have been replaced. */
const maxOffered = 4;
const maxStreams = 2;

/** One place of another host, its keys and streams. */
export class Caller {
  readonly end: End;
  readonly sessionKey: string;
  readonly calls: Mac;
  readonly answers: Mac;
  readonly #offered = new Set<string>();
  #renewal: Buffer | undefined;
  readonly #streams = new Map<string, ReplayWindow>();

  constructor(identity: SessionIdentity, end: End, peer: AcceptedHello, here: End) {
    this.end = end;
    this.sessionKey = peer.sessionKey;
    const secret = {
      shared: identity.agree(peer),
      sessionKeys: [identity.sessionKey, peer.sessionKey] as const,
      lattice: identity.lattice,
    };
    this.calls = flowMac(secret, end, here, "call");
    this.answers = flowMac(secret, here, end, "reply");
  }

  /** A new stream. */
  offer(): Buffer {
    const stream = randomBytes(streamBytes);
    keepNewest(this.#offered.add(stream.toString("latin1")), maxOffered);
    return stream;
  }

  /**
   * A stream for calls whose own is unknown here: the same one until it is taken up, for all that were under way
   * when this place was started again are told.
   */
  renewal(): Uint8Array {
    if (!this.#renewal || !this.#offered.has(this.#renewal.toString("latin1"))) this.#renewal = this.offer();
    return this.#renewal;
  }

  /** The numbers of a stream; its first proven call takes it up. Undefined for a stream of another time. */
  window(stream: Uint8Array): ReplayWindow | undefined {
    const name = asBuffer(stream).toString("latin1");
    const known = this.#streams.get(name);
    if (known) return known;
    if (!this.#offered.delete(name)) return undefined;
    const window = new ReplayWindow();
    keepNewest(this.#streams.set(name, window), maxStreams);
    return window;
  }
}

/** Forgets what came first when there are more. */
export function keepNewest(held: Set<string> | Map<string, unknown>, most: number): void {
  const [oldest] = held.keys();
  if (held.size > most && oldest !== undefined) held.delete(oldest);
}
