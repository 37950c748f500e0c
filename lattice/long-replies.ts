import type { Bus, BusHeaders, BusMessage } from "./bus.ts";
import { fail } from "./errors.ts";
import { nuid } from "./nuid.ts";

/** On the first piece of a reply: where to ask for the others by their number, and how many bytes all have. */
const moreHeader = "Lattice-More";
const bytesHeader = "Lattice-Bytes";
/** Largest piece, also where the server takes larger messages: others wait behind it. */
const usualPieceBytes = 524_288;
/** What the headers of a message may need of the server's limit. */
const headerBytes = 512;
/** How long the others are kept for whoever asks no more, in milliseconds. */
const keptMs = 15_000;
/** Most that is kept at once, and most that one reply may be, in bytes. */
const mostBytes = 67_108_864;

/** Answers requests with replies of any length: what is over the server's limit is fetched piece by piece. */
export class LongReplies {
  readonly #bus: Bus;
  #kept = 0;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** @throws LatticeError PAYLOAD_TOO_LARGE when too much is kept already; those of `respond`. */
  respond(message: BusMessage, payload: Uint8Array, headers?: BusHeaders): void {
    const most = this.#bus.maxPayloadBytes - headerBytes;
    if (payload.length <= most || message.reply === undefined) {
      message.respond(payload, headers);
      return;
    }
    if (this.#kept + payload.length > mostBytes)
      throw fail("PAYLOAD_TOO_LARGE", `the message to ${message.reply}`, payload.length, most);
    const pieceBytes = Math.min(most, usualPieceBytes);
    const piece = (number: number): Uint8Array => payload.subarray(number * pieceBytes, (number + 1) * pieceBytes);
    const where = this.#keep(piece, Math.ceil(payload.length / pieceBytes), payload.length);
    const about: [string, string[]][] = [
      [moreHeader, [where]],
      [bytesHeader, [String(payload.length)]],
    ];
    message.respond(piece(0), new Map([...(headers ?? []), ...about]));
  }

  /** Until the last one was asked for, or nobody has asked for a while. */
  #keep(piece: (number: number) => Uint8Array, count: number, bytes: number): string {
    const where = `_INBOX.${nuid()}`;
    this.#kept += bytes;
    const end = (): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
      this.#kept -= bytes;
    };
    const timer = setTimeout(end, keptMs).unref();
    const subscription = this.#bus.subscribe(where, (asked) => {
      const number = Number(Buffer.from(asked.payload).toString("latin1"));
      if (!Number.isInteger(number) || number < 0 || number >= count) return;
      timer.refresh();
      asked.respond(piece(number));
      if (number === count - 1) end();
    });
    return where;
  }
}

/**
 * All of a reply that `LongReplies` gave; any other is itself.
 * @throws LatticeError REPLY_MALFORMED when it is too long or ends early; those of `Bus.request`.
 */
export async function wholeReply(bus: Bus, reply: BusMessage, timeoutMs: number): Promise<Uint8Array> {
  const where = reply.headers.get(moreHeader)?.[0];
  if (where === undefined) return reply.payload;
  const bytes = Number(reply.headers.get(bytesHeader)?.[0]);
  const malformed = (why: string): Error => fail("REPLY_MALFORMED", reply.subject, "a long reply", why);
  if (!(bytes > reply.payload.length && bytes <= mostBytes)) throw malformed("it has an impossible length");
  const pieces = [reply.payload];
  for (let have = reply.payload.length; have < bytes;) {
    const { payload } = await bus.request(where, Buffer.from(String(pieces.length)), { timeoutMs });
    if (payload.length === 0) throw malformed("it ends early");
    pieces.push(payload);
    have += payload.length;
  }
  return Buffer.concat(pieces, bytes);
}
