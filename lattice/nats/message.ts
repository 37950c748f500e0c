import { noHeaders } from "../bus.ts";
import type { BusHeaders, BusMessage } from "../bus.ts";
import { decodeHeaders } from "./headers.ts";
import type { DecodedHeaders } from "./headers.ts";
import type { RawMessage } from "./parser.ts";

/** How a message is answered. */
export interface Responder {
  respond(reply: string, payload: Uint8Array, headers?: BusHeaders): boolean;
}

/** One message; what nobody looks at is never decoded. */
export class NatsMessage implements BusMessage {
  readonly payload: Uint8Array;
  readonly #raw: RawMessage;
  readonly #responder: Responder;
  #decoded: DecodedHeaders | undefined;

  constructor(raw: RawMessage, responder: Responder) {
    this.#raw = raw;
    this.#responder = responder;
    this.payload = raw.buffer.subarray(raw.payloadAt, raw.payloadEnd);
  }

  get subject(): string {
    const { buffer, subjectAt, subjectEnd } = this.#raw;
    return buffer.toString("utf8", subjectAt, subjectEnd);
  }

  get reply(): string | undefined {
    const { buffer, replyAt, replyEnd } = this.#raw;
    return replyEnd === 0 ? undefined : buffer.toString("utf8", replyAt, replyEnd);
  }

  get headers(): BusHeaders {
    return this.#headers?.headers ?? noHeaders;
  }

  /** What the server itself says with it; undefined for a message of somebody. */
  get status(): number | undefined {
    return this.#headers?.status;
  }

  get description(): string {
    return this.#headers?.description ?? "";
  }

  get bytes(): number {
    return this.#raw.payloadEnd - this.#raw.headersAt;
  }

  respond(payload: Uint8Array, headers?: BusHeaders): boolean {
    const { reply } = this;
    return reply !== undefined && this.#responder.respond(reply, payload, headers);
  }

  get #headers(): DecodedHeaders | undefined {
    const { buffer, headersAt, payloadAt } = this.#raw;
    if (headersAt === payloadAt) return undefined;
    return (this.#decoded ??= decodeHeaders(buffer.toString("utf8", headersAt, payloadAt)));
  }
}

/** The number that a subject ends with; -1 when it is none. Replies are told apart by it. */
export function tailNumber({ buffer, subjectAt, subjectEnd }: RawMessage): number {
  let value = 0;
  let factor = 1;
  for (let at = subjectEnd - 1; at >= subjectAt; at--) {
    const digit = buffer[at]! - 0x30;
    if (digit === -2) return at === subjectEnd - 1 ? -1 : value;
    if (digit < 0 || digit > 9) return -1;
    value += digit * factor;
    factor *= 10;
  }
  return -1;
}
