import { failFrom } from "../errors.ts";
import type { TraceContext } from "../invocations.ts";
import type { WireEntity } from "./entities.ts";
import { MsgpackProblem, MsgpackReader } from "./msgpack-reader.ts";
import { bytesSize, MsgpackWriter, textSize } from "./msgpack-writer.ts";
import { traceContext } from "./trace.ts";

/**
 * An invocation as it crosses NATS between 0.x hosts and providers. Reading proves nothing: see
 * `InvocationVerifier`.
 * Source: lattice protocol reference, section 3; captures of 0.82, sections 8, 9 and 15.
 */
export interface WireInvocation {
  readonly origin: WireEntity;
  readonly target: WireEntity;
  readonly operation: string;
  /** Empty when it was moved to the object store; see `LargePayloads`. */
  readonly payload: Uint8Array;
  readonly id: string;
  /** `encoded_claims`. */
  readonly token: string;
  /** The sending host as it says itself; it is not signed and proves nothing. */
  readonly hostId: string;
  /** Bytes of the real payload; that of `payload` where an OTP host left it out. */
  readonly contentLength: number;
  readonly trace: TraceContext | undefined;
}

/** Bytes of text taken from a message. A token of an invocation has about 800. */
const limits = { key: 128, contract: 256, name: 256, operation: 1_024, id: 128, token: 16_384, trace: 8_192 };

/**
 * Reads either dialect: unknown members are passed over, `msg` may be a list of numbers,
 * `content_length` and `traceContext` may be missing. `payload` is a view of `bytes`.
 * @throws LatticeError INVOCATION_MALFORMED, naming the member.
 */
export function decodeInvocation(bytes: Uint8Array): WireInvocation {
  try {
    return read(new MsgpackReader(bytes));
  } catch (error) {
    if (error instanceof MsgpackProblem) throw failFrom(undefined, "INVOCATION_MALFORMED", error.message);
    throw error;
  }
}

/** The bytes as 0.82 writes them: same members, same order, shortest forms. */
export function encodeInvocation(invocation: WireInvocation): Uint8Array {
  const { origin, target, operation, payload, id, token, hostId, contentLength, trace } = invocation;
  const traceSize = trace ? textSize(trace.traceparent) + textSize(trace.tracestate ?? "") : 0;
  const writer = new MsgpackWriter(
    keys.size +
      entitySize(origin) +
      entitySize(target) +
      textSize(operation) +
      bytesSize(payload) +
      textSize(id) +
      textSize(token) +
      textSize(hostId) +
      5 +
      traceSize,
  );
  writer.constant(keys.origin);
  writeEntity(writer, origin);
  writer.constant(keys.target);
  writeEntity(writer, target);
  writer.constant(keys.operation);
  writer.text(operation);
  writer.constant(keys.msg);
  writer.bytes(payload);
  writer.constant(keys.id);
  writer.text(id);
  writer.constant(keys.token);
  writer.text(token);
  writer.constant(keys.hostId);
  writer.text(hostId);
  writer.constant(keys.contentLength);
  writer.uint(contentLength);
  writer.constant(keys.trace);
  writeTrace(writer, trace);
  return writer.end();
}

/** Keys with the map header before them where they begin one. */
const keys = {
  origin: encodedKey("origin", 0x89),
  target: encodedKey("target"),
  operation: encodedKey("operation"),
  msg: encodedKey("msg"),
  id: encodedKey("id"),
  token: encodedKey("encoded_claims"),
  hostId: encodedKey("host_id"),
  contentLength: encodedKey("content_length"),
  trace: encodedKey("traceContext"),
  publicKey: encodedKey("public_key", 0x83),
  linkName: encodedKey("link_name"),
  contractId: encodedKey("contract_id"),
  traceparent: encodedKey("traceparent"),
  tracestate: encodedKey("tracestate"),
  /** More than all of them together. */
  size: 256,
};

/** A short key, after the header of the map that it begins. */
export function encodedKey(key: string, mapHeader?: number): Buffer {
  return Buffer.from([...(mapHeader === undefined ? [] : [mapHeader]), 0xa0 | key.length, ...Buffer.from(key)]);
}

/** A trace context, empty when there is none: 0.82 wants the member. */
export function writeTrace(writer: MsgpackWriter, trace: TraceContext | undefined): void {
  if (!trace) return writer.constant(noTrace);
  writer.constant(trace.tracestate === undefined ? oneEntry : twoEntries);
  writer.constant(keys.traceparent);
  writer.text(trace.traceparent);
  if (trace.tracestate === undefined) return;
  writer.constant(keys.tracestate);
  writer.text(trace.tracestate);
}

const noTrace = Uint8Array.of(0x80);
const oneEntry = Uint8Array.of(0x81);
const twoEntries = Uint8Array.of(0x82);

/** Reads `traceContext`; members that are no text or not of W3C are passed over. */
export function readTrace(reader: MsgpackReader): TraceContext | undefined {
  if (reader.nil()) return undefined;
  let parent: string | undefined;
  let state: string | undefined;
  for (let left = reader.map("traceContext"); left > 0; left--) {
    const name = reader.anyText("traceContext", limits.trace);
    if (name === "traceparent") parent = reader.text("traceparent", limits.trace);
    else if (name === "tracestate") state = reader.text("tracestate", limits.trace);
    else reader.skip();
  }
  return traceContext(parent, state);
}

function read(reader: MsgpackReader): WireInvocation {
  let origin: WireEntity | undefined;
  let target: WireEntity | undefined;
  let operation: string | undefined;
  let payload: Uint8Array | undefined;
  let id: string | undefined;
  let token: string | undefined;
  let hostId: string | undefined;
  let contentLength: number | undefined;
  let trace: TraceContext | undefined;
  for (let left = reader.map("it"); left > 0; left--) {
    const name = reader.anyText("a member's name", limits.name);
    if (name === "origin") origin = readEntity(reader, name);
    else if (name === "target") target = readEntity(reader, name);
    else if (name === "operation") operation = reader.text(name, limits.operation);
    else if (name === "msg") payload = reader.nil() ? new Uint8Array() : reader.bytes(name);
    else if (name === "id") id = reader.text(name, limits.id);
    else if (name === "encoded_claims") token = reader.anyText(name, limits.token);
    else if (name === "host_id") hostId = reader.text(name, limits.key);
    else if (name === "content_length") contentLength = reader.nil() ? undefined : reader.uint(name);
    else if (name === "traceContext") trace = readTrace(reader);
    else reader.skip();
  }
  reader.end();
  const body = wanted(payload, "msg");
  return {
    origin: wanted(origin, "origin"),
    target: wanted(target, "target"),
    operation: wanted(operation, "operation"),
    payload: body,
    id: wanted(id, "id"),
    token: wanted(token, "encoded_claims"),
    hostId: wanted(hostId, "host_id"),
    contentLength: contentLength ?? body.length,
    trace,
  };
}

function readEntity(reader: MsgpackReader, what: string): WireEntity {
  let publicKey: string | undefined;
  let linkName = "";
  let contractId = "";
  for (let left = reader.map(what); left > 0; left--) {
    const name = reader.anyText(what, limits.name);
    if (name === "public_key") publicKey = reader.text(name, limits.key);
    else if (name === "link_name") linkName = reader.nil() ? "" : reader.text(name, limits.name);
    else if (name === "contract_id") contractId = reader.nil() ? "" : reader.text(name, limits.contract);
    else reader.skip();
  }
  return { publicKey: wanted(publicKey, `${what}.public_key`), linkName, contractId };
}

function wanted<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new MsgpackProblem(`${name} is missing`);
  return value;
}

function writeEntity(writer: MsgpackWriter, entity: WireEntity): void {
  writer.constant(keys.publicKey);
  writer.text(entity.publicKey);
  writer.constant(keys.linkName);
  writer.text(entity.linkName);
  writer.constant(keys.contractId);
  writer.text(entity.contractId);
}

function entitySize({ publicKey, linkName, contractId }: WireEntity): number {
  return textSize(publicKey) + textSize(linkName) + textSize(contractId);
}
