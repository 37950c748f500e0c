/**
 * Reads what a NATS server sends, piece by piece as the network cuts it.
 * Source: NATS client protocol: `INFO {json}`, `MSG subject sid [reply] bytes`,
 * `HMSG subject sid [reply] header-bytes all-bytes`, `PING`, `PONG`, `+OK`, `-ERR 'text'`.
 */

/** What the parser found. Bytes of a message stay in `buffer`, which nobody changes. */
export interface ProtocolSink {
  info(json: string): void;
  message(message: RawMessage): void;
  ping(): void;
  pong(): void;
  error(text: string): void;
}

/** Where the parts of one message lie; no reply: both 0, no headers: `headersAt` is `payloadAt`. */
export interface RawMessage {
  readonly buffer: Buffer;
  readonly sid: number;
  readonly subjectAt: number;
  readonly subjectEnd: number;
  readonly replyAt: number;
  readonly replyEnd: number;
  readonly headersAt: number;
  readonly payloadAt: number;
  readonly payloadEnd: number;
}

/** Longest line: INFO of a large cluster. Longest message: the most that `max_payload` may be, and headers. */
const maxLine = 1024 * 1024;
const maxMessage = 128 * 1024 * 1024;

/** Subject, number, reply, bytes of headers, bytes of all. */
const mostWords = 5;

const lineFeed = 0x0a;
const space = 0x20;
const tab = 0x09;

export class ProtocolParser {
  readonly #sink: ProtocolSink;
  /** What came of a line that is not whole. */
  #begun: Buffer | undefined;
  /** A message that is not whole, as long as it will be. */
  #held: Buffer | undefined;
  #filled = 0;
  #stopped = false;
  /** Where the words of the line in hand begin and end; used again for each. */
  readonly #starts = [0, 0, 0, 0, 0];
  readonly #ends = [0, 0, 0, 0, 0];

  constructor(sink: ProtocolSink) {
    this.#sink = sink;
  }

  /** @throws Error when it is not the protocol; the connection is then of no use. */
  feed(chunk: Buffer): void {
    let rest = chunk;
    if (this.#begun !== undefined) {
      rest = Buffer.concat([this.#begun, chunk]);
      this.#begun = undefined;
    }
    if (this.#held !== undefined) {
      const taken = rest.copy(this.#held, this.#filled);
      this.#filled += taken;
      if (this.#filled < this.#held.length) return;
      const whole = this.#held;
      this.#held = undefined;
      rest = rest.subarray(taken);
      this.#parse(whole);
    }
    this.#parse(rest);
  }

  /** Nothing is told any more, not even of the chunk in hand. */
  stop(): void {
    this.#stopped = true;
    this.#held = undefined;
  }

  #parse(buffer: Buffer): void {
    let at = 0;
    while (at < buffer.length && !this.#stopped) {
      const end = buffer.indexOf(lineFeed, at);
      if (end === -1) {
        if (buffer.length - at > maxLine) throw new Error("a line of the server is too long");
        this.#begun = Buffer.from(buffer.subarray(at));
        return;
      }
      const first = buffer[at]! & 0xdf;
      if (first === 0x4d || first === 0x48) {
        const next = this.#message(buffer, at, end, first === 0x48);
        if (next === 0) return;
        at = next;
      } else {
        this.#line(buffer.toString("latin1", at, at + 5).toUpperCase(), buffer, at, end);
        at = end + 1;
      }
    }
  }

  #line(verb: string, buffer: Buffer, at: number, end: number): void {
    if (verb.startsWith("PING")) this.#sink.ping();
    else if (verb.startsWith("PONG")) this.#sink.pong();
    else if (verb.startsWith("INFO")) this.#sink.info(buffer.toString("utf8", at + 5, end).trim());
    else if (verb.startsWith("-ERR")) this.#sink.error(unquoted(buffer.toString("utf8", at + 5, end).trim()));
    else if (!verb.startsWith("+OK") && end - at > 1) throw new Error("it does not speak the NATS protocol");
  }

  /** Answers where the next line begins, 0 when the message is not whole yet. */
  #message(buffer: Buffer, at: number, lineEnd: number, hasHeaders: boolean): number {
    const starts = this.#starts;
    const ends = this.#ends;
    let words = 0;
    let position = at + (hasHeaders ? 5 : 4);
    const end = buffer[lineEnd - 1] === 0x0d ? lineEnd - 1 : lineEnd;
    while (position < end) {
      while (position < end && (buffer[position] === space || buffer[position] === tab)) position++;
      if (position === end) break;
      if (words === mostWords) throw new Error("a message of the server is malformed");
      starts[words] = position;
      while (position < end && buffer[position] !== space && buffer[position] !== tab) position++;
      ends[words++] = position;
    }
    const least = hasHeaders ? 4 : 3;
    const hasReply = words === least + 1;
    if (words !== least && !hasReply) throw new Error("a message of the server is malformed");
    const last = words - 1;
    const sid = number(buffer, starts[1]!, ends[1]!);
    const bytes = number(buffer, starts[last]!, ends[last]!);
    const headerBytes = hasHeaders ? number(buffer, starts[last - 1]!, ends[last - 1]!) : 0;
    if (bytes > maxMessage || headerBytes > bytes) throw new Error("a message of the server has an impossible length");
    const headersAt = lineEnd + 1;
    const payloadEnd = headersAt + bytes;
    if (buffer.length < payloadEnd + 2) {
      this.#held = Buffer.allocUnsafe(payloadEnd + 2 - at);
      this.#filled = buffer.copy(this.#held, 0, at);
      return 0;
    }
    this.#sink.message({
      buffer,
      sid,
      subjectAt: starts[0]!,
      subjectEnd: ends[0]!,
      replyAt: hasReply ? starts[2]! : 0,
      replyEnd: hasReply ? ends[2]! : 0,
      headersAt,
      payloadAt: headersAt + headerBytes,
      payloadEnd,
    });
    return payloadEnd + 2;
  }
}

function number(buffer: Buffer, at: number, end: number): number {
  let value = 0;
  for (let index = at; index < end; index++) {
    const digit = buffer[index]! - 0x30;
    if (digit < 0 || digit > 9 || end - at > 15) throw new Error("a number of the server is malformed");
    value = value * 10 + digit;
  }
  return value;
}

function unquoted(text: string): string {
  return text.replace(/^'(.*)'$/, "$1");
}
