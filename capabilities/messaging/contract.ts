import type { Era, GuestLanguage } from "../../lattice/index.ts";
import { Fields, unknownField } from "../codec/fields.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import { type MsgpackWriter, msgpack } from "../codec/msgpack-writer.ts";
import { ProtobufReader, type ProtobufWriter, protobuf } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";

/**
 * The contract `wasmcloud:messaging` in both directions, for the five eras.
 * Source: waPC and actors reference, section 11.4.
 */
export interface Message {
  readonly subject: string;
  /** Where an answer is awaited; empty for nowhere. */
  readonly replyTo: string;
  readonly body: Uint8Array;
}

export interface MessageRequest {
  readonly subject: string;
  readonly body: Uint8Array;
  /** 0 when the caller said none. */
  readonly timeoutMs: number;
}

const noBody: Uint8Array = new Uint8Array(0);

/** The operation under which modules of an era take messages. */
export function deliverOperation(era: Era): string {
  return era === "E4" ? "MessageSubscriber.HandleMessage" : era === "E3" ? "HandleMessage" : "DeliverMessage";
}

/** A message for the actor. E2 needs `replyTo` as text, an E4 actor takes an empty one for an address: it goes without. */
export function encodeDelivery(era: Era, message: Message, language: GuestLanguage = "other"): Uint8Array {
  const shape = shapeOf(era, language);
  if (shape === "protobuf") {
    protobuf.begin();
    protobuf.message(1, (out) => writeProtobuf(out, message));
    return protobuf.end();
  }
  msgpack.begin();
  if (shape === "array") {
    msgpack.array(1);
    msgpack.array(3);
    msgpack.text(message.subject);
    msgpack.text(message.replyTo);
    msgpack.byteArray(message.body);
  } else writeMap(msgpack, message, era === "E4");
  return msgpack.end();
}

function writeMap(out: MsgpackWriter, { subject, replyTo, body }: Message, mayLack: boolean): void {
  const lacks = mayLack && replyTo === "";
  out.map(lacks ? 2 : 3);
  out.text("subject");
  out.text(subject);
  if (!lacks) {
    out.text("replyTo");
    out.text(replyTo);
  }
  out.text("body");
  out.bin(body);
}

function writeProtobuf(out: ProtobufWriter, { subject, replyTo, body }: Message): void {
  out.text(1, subject);
  out.text(2, replyTo);
  out.bytes(3, body);
}

/**
 * What an actor publishes, in any form: flat, or wrapped once more as E0 and E1 do. The body is a
 * view over the payload where possible.
 * @throws Malformed
 */
export function readPublish(era: Era, payload: Uint8Array): Message {
  if (shapeOf(era) === "protobuf") return readProtobufMessage(payload);
  reader.open(payload);
  const message = readMessage(reader);
  reader.close();
  return message;
}

const messageFields = new Fields(["subject"], ["replyTo", "reply_to"], ["body"], ["message"]);

function readMessage(from: MsgpackReader): Message {
  let message: Message = { subject: "", replyTo: "", body: noBody };
  const count = from.struct();
  const { keyed } = from;
  for (let i = 0; i < count; i++) {
    const wrapped = i === 0 && !keyed && (from.atArray() || from.atMap());
    switch (keyed ? from.field(messageFields) : wrapped ? 3 : i) {
      case 0:
        message = { ...message, subject: from.text() };
        break;
      case 1:
        message = { ...message, replyTo: from.text() };
        break;
      case 2:
        message = { ...message, body: from.bytes() };
        break;
      case 3:
        if (wrapped || from.atArray() || from.atMap()) message = readMessage(from);
        else from.skip();
        break;
      default:
        from.skip();
    }
  }
  return message;
}

function readProtobufMessage(payload: Uint8Array): Message {
  const outer = new ProtobufReader(payload);
  let inner: Uint8Array = noBody;
  for (let field = outer.next(); field !== 0; field = outer.next()) if (field <= 2) inner = outer.bytes();
  const message = new ProtobufReader(inner);
  let subject = "";
  let replyTo = "";
  let body: Uint8Array = noBody;
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 1) subject = message.text();
    else if (field === 2) replyTo = message.text();
    else if (field === 3) body = message.bytes();
  }
  return { subject, replyTo, body };
}

/** What an actor asks over a subject. @throws Malformed */
export function readRequest(era: Era, payload: Uint8Array): MessageRequest {
  if (shapeOf(era) === "protobuf") return readProtobufRequest(payload);
  let subject = "";
  let body: Uint8Array = noBody;
  let timeoutMs = 0;
  reader.open(payload);
  const count = reader.struct();
  const { keyed } = reader;
  for (let i = 0; i < count; i++) {
    switch (keyed ? reader.field(requestFields) : i) {
      case 0:
        subject = reader.text();
        break;
      case 1:
        body = reader.bytes();
        break;
      case 2:
        timeoutMs = Math.max(0, reader.int());
        break;
      case unknownField:
      default:
        reader.skip();
    }
  }
  reader.close();
  return { subject, body, timeoutMs };
}

const requestFields = new Fields(["subject"], ["body"], ["timeout", "timeoutMs", "timeout_ms"]);

function readProtobufRequest(payload: Uint8Array): MessageRequest {
  const message = new ProtobufReader(payload);
  let subject = "";
  let body: Uint8Array = noBody;
  let timeoutMs = 0;
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 1) subject = message.text();
    else if (field === 2) body = message.bytes();
    else if (field === 3) timeoutMs = Math.max(0, message.number());
  }
  return { subject, body, timeoutMs };
}

/** The answer to a publish: E3 is told that it went out, the others get nothing. */
export function encodePublished(era: Era): Uint8Array {
  if (era !== "E3") return noBody;
  msgpack.begin();
  msgpack.map(1);
  msgpack.text("published");
  msgpack.bool(true);
  return msgpack.end();
}

/** The answer to a request: the bare body until E2, a message from E3 on. */
export function encodeAnswer(era: Era, answer: Message): Uint8Array {
  if (era !== "E3" && era !== "E4") return answer.body;
  msgpack.begin();
  writeMap(msgpack, answer, era === "E4");
  return msgpack.end();
}
