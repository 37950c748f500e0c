import { asBuffer, FrameProblem, FrameReader, FrameWriter, frameTextSize } from "./frame-bytes.ts";
import { answerSize, callSize, readAnswer, readCall, writeAnswer, writeCall } from "./remote-call.ts";
import type { InFrame, RemoteAnswer, RemoteCall, StoredPayload } from "./remote-call.ts";
import { tagBytes } from "./mac.ts";
import type { End, Mac } from "./mac.ts";

/**
 * The frames of a conversation between two places of our hosts. The first byte is one that MessagePack
 * never uses, so that a frame is never taken for an invocation of 0.x or the other way round.
 *
 * `open` asks for a stream and carries the sender's hello; `welcome` answers it with a stream number
 * that the receiver made up, and its own hello. Every `call` names its stream and a sequence number
 * under a tag; `answer` and `renew` (the stream is unknown here and nothing was run) repeat both under
 * a tag of the other direction. `stranger` says without proof that the tag could not be checked.
 */
const marker = 0xc1;
const types = { open: 1, welcome: 2, call: 3, answer: 4, renew: 5, stranger: 6 } as const;
export type FrameType = keyof typeof types;
/** In the order of their numbers. */
const typeNames = Object.keys(types) as readonly FrameType[];

/** Places as subjects name them: the caller's thread, or an engine's number. */
const place = /^(?:c|\d{1,4})$/;

/** Bytes of a stream number and of the challenge that asks for one. */
export const streamBytes = 8;

/** Undefined when the message is no frame of a session. */
export function frameType(bytes: Uint8Array): FrameType | undefined {
  return bytes[0] === marker ? typeNames[bytes[1]! - 1] : undefined;
}

/** Where a sealed frame belongs: a call and its answer have the same. */
export interface FramePosition {
  /** `streamBytes` bytes. */
  readonly stream: Uint8Array;
  readonly sequence: number;
}

export interface OpenFrame {
  readonly from: End;
  readonly challenge: Uint8Array;
  readonly hello: string;
}

export function encodeOpen({ from, challenge, hello }: OpenFrame): Uint8Array {
  const writer = begin("open", endSize(from) + streamBytes + frameTextSize(hello));
  writeEnd(writer, from);
  writer.bytes(challenge);
  writer.text(hello);
  return writer.done();
}

/** @throws FrameProblem. */
export function decodeOpen(bytes: Uint8Array): OpenFrame {
  const reader = new FrameReader(bytes, 2);
  return { from: readEnd(reader), challenge: reader.bytes(streamBytes), hello: reader.text() };
}

export interface WelcomeFrame {
  readonly challenge: Uint8Array;
  /** The stream in which the sender's calls are numbered from 1. */
  readonly stream: Uint8Array;
  readonly hello: string;
}

export function encodeWelcome({ challenge, stream, hello }: WelcomeFrame, mac: Mac): Uint8Array {
  const writer = begin("welcome", 2 * streamBytes + frameTextSize(hello) + tagBytes);
  writer.bytes(challenge);
  writer.bytes(stream);
  writer.text(hello);
  return sealed(writer, mac);
}

/** The tag is yet to be checked with `Mac.holds`, under the key that the hello inside tells. @throws FrameProblem. */
export function decodeWelcome(bytes: Uint8Array): WelcomeFrame {
  const reader = new FrameReader(bytes, 2, bytes.length - tagBytes);
  return { challenge: reader.bytes(streamBytes), stream: reader.bytes(streamBytes), hello: reader.text() };
}

/** A sealed call of `from`. */
export function encodeCall(
  from: End,
  { stream, sequence }: FramePosition,
  call: RemoteCall,
  stored: StoredPayload | undefined,
  mac: Mac,
): Uint8Array {
  const writer = begin("call", endSize(from) + streamBytes + 4 + callSize(call) + tagBytes);
  writeEnd(writer, from);
  writer.bytes(stream);
  writer.u32(sequence);
  writeCall(writer, call, stored);
  return sealed(writer, mac);
}

export interface CallHead extends FramePosition {
  readonly from: End;
  /** Reads what follows, once the tag holds. @throws FrameProblem. */
  call(): InFrame<RemoteCall>;
}

/** The beginning of a call, to find the key that checks it. @throws FrameProblem. */
export function decodeCallHead(bytes: Uint8Array): CallHead {
  const reader = new FrameReader(bytes, 2, bytes.length - tagBytes);
  const from = readEnd(reader);
  return {
    from,
    stream: reader.bytes(streamBytes),
    sequence: reader.u32(),
    call: () => readCall(reader),
  };
}

export function encodeAnswer({ stream, sequence }: FramePosition, answer: RemoteAnswer, mac: Mac): Uint8Array {
  const writer = begin("answer", streamBytes + 4 + answerSize(answer) + tagBytes);
  writer.bytes(stream);
  writer.u32(sequence);
  writeAnswer(writer, answer);
  return sealed(writer, mac);
}

/** "That stream is unknown here and the call was not run; number it in `next` and send it again." */
export function encodeRenew({ stream, sequence }: FramePosition, next: Uint8Array, mac: Mac): Uint8Array {
  const writer = begin("renew", 2 * streamBytes + 4 + tagBytes);
  writer.bytes(stream);
  writer.u32(sequence);
  writer.bytes(next);
  return sealed(writer, mac);
}

/** An answer to the call at `position`, or the stream in which to send it again. */
export type OpenedAnswer = RemoteAnswer | { readonly renew: Uint8Array };

/** @throws FrameProblem also when the tag does not hold or it answers another call. */
export function decodeAnswer(bytes: Uint8Array, { stream, sequence }: FramePosition, mac: Mac): OpenedAnswer {
  const type = frameType(bytes);
  if (type === "stranger") throw new FrameProblem("the other host does not know this one any more");
  if (type !== "answer" && type !== "renew") throw new FrameProblem("it is no answer");
  const reader = new FrameReader(bytes, 2, bytes.length - tagBytes);
  if (!mac.holds(reader.buffer)) throw new FrameProblem("its tag does not hold");
  if (!reader.bytes(streamBytes).equals(stream) || reader.u32() !== sequence)
    throw new FrameProblem("it answers another call");
  return type === "answer" ? readAnswer(reader) : { renew: reader.bytes(streamBytes) };
}

/** Whether a frame says that it answers a call at another place: unproven, enough to let it be. */
export function answersAnother(bytes: Uint8Array, { stream, sequence }: FramePosition): boolean {
  const type = frameType(bytes);
  if ((type !== "answer" && type !== "renew") || bytes.length < 2 + streamBytes + 4) return false;
  const frame = asBuffer(bytes);
  if (frame.readUInt32BE(2 + streamBytes) !== sequence) return true;
  for (let at = 0; at < streamBytes; at++) if (frame[2 + at] !== stream[at]) return true;
  return false;
}

export function encodeStranger(): Uint8Array {
  return Uint8Array.of(marker, types.stranger);
}

function begin(type: FrameType, size: number): FrameWriter {
  const writer = new FrameWriter(2 + size);
  writer.u8(marker);
  writer.u8(types[type]);
  return writer;
}

function sealed(writer: FrameWriter, mac: Mac): Uint8Array {
  mac.seal(writer.buffer, writer.at);
  return writer.done(writer.at + tagBytes);
}

function endSize(end: End): number {
  return frameTextSize(end.host) + frameTextSize(end.place);
}

function writeEnd(writer: FrameWriter, end: End): void {
  writer.text(end.host);
  writer.text(end.place);
}

function readEnd(reader: FrameReader): End {
  const end = { host: reader.text(), place: reader.text() };
  // A receiver remembers each place that it hears of.
  if (!place.test(end.place)) throw new FrameProblem("it is of no place");
  return end;
}
