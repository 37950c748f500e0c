import { createHash, createHmac, hash, hkdfSync } from "node:crypto";

/** Bytes of a tag: HMAC-SHA256 cut to its first half. Source: RFC 2104, section 5. */
export const tagBytes = 16;
const blockBytes = 64;

/** Up to this size copying the frame beside the key is cheaper than a hash object (0.8 against 2.2 us). */
const scratchBytes = 8_192;
const inner = Buffer.allocUnsafeSlow(blockBytes + scratchBytes);
const outer = Buffer.allocUnsafeSlow(blockBytes + 32);

/** HMAC-SHA256 under one key. Keys are 32 bytes. */
export class Mac {
  readonly #key: Uint8Array;
  readonly #innerPad: Uint8Array;
  readonly #outerPad: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.#innerPad = pad(key, 0x36);
    this.#outerPad = pad(key, 0x5c);
  }

  /** Writes the tag of everything before `at` to `at`. */
  seal(frame: Buffer, at: number): void {
    frame.write(this.#tag(frame.subarray(0, at)), at, tagBytes, "latin1");
  }

  /** Whether the last bytes of a frame are the tag of the rest. */
  holds(frame: Buffer): boolean {
    const end = frame.length - tagBytes;
    if (end < 0) return false;
    const wanted = this.#tag(frame.subarray(0, end));
    // All bytes, whichever differ: the time tells nothing. Without the buffers that `timingSafeEqual` needs.
    let different = 0;
    for (let at = 0; at < tagBytes; at++) different |= wanted.charCodeAt(at) ^ frame[end + at]!;
    return different === 0;
  }

  /** The whole digest as one character per byte, which is the fastest form out of `hash`. */
  #tag(content: Buffer): string {
    if (content.length > scratchBytes) return createHmac("sha256", this.#key).update(content).digest("latin1");
    inner.set(this.#innerPad);
    inner.set(content, blockBytes);
    outer.set(this.#outerPad);
    outer.write(hash("sha256", inner.subarray(0, blockBytes + content.length), "latin1"), blockBytes, "latin1");
    return hash("sha256", outer, "latin1");
  }
}

function pad(key: Uint8Array, value: number): Uint8Array {
  return Uint8Array.from({ length: blockBytes }, (_, index) => (key[index] ?? 0) ^ value);
}

/** One end of a conversation: a host and a place in it. */
export interface End {
  /** N key. */
  readonly host: string;
  /** `c` is the caller's thread, numbers are engines. */
  readonly place: string;
}

export interface FlowSecret {
  /** What both hosts agreed on: `SessionIdentity.agree`. */
  readonly shared: Uint8Array;
  /** X keys of both, in any order. */
  readonly sessionKeys: readonly [string, string];
  readonly lattice: string;
}

/**
 * The key of one direction between two places: a frame that was sealed for another direction, place,
 * host, lattice or process does not hold here. HKDF-SHA256, about 10 us: keep it.
 */
export function flowMac({ shared, sessionKeys, lattice }: FlowSecret, from: End, to: End, kind: "call" | "reply"): Mac {
  const salt = createHash("sha256").update(sessionKeys.toSorted().join("")).digest();
  const info = ["wasmlattice session 1", lattice, kind, from.host, from.place, to.host, to.place].join("\n");
  return new Mac(new Uint8Array(hkdfSync("sha256", shared, salt, info, 32)));
}
