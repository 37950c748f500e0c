import { fail } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import type { TraceContext } from "../invocations.ts";
import { isActorEntity } from "./entities.ts";
import { MsgpackProblem, MsgpackReader } from "./msgpack-reader.ts";
import { bytesSize, MsgpackWriter, textSize } from "./msgpack-writer.ts";
import type { WireInvocation } from "./wire-invocation.ts";
import { encodedKey, readTrace, writeTrace } from "./wire-invocation.ts";

/**
 * The answer to an invocation. A failing operation is a response too, with `error`.
 * Source: lattice protocol reference, section 3; captures of 0.82, sections 8 to 11.
 */
export interface WireResponse {
  /** Empty when it was moved to the object store or the operation failed. */
  readonly payload: Uint8Array;
  readonly invocationId: string;
  /** What went wrong; undefined on success. */
  readonly error: string | undefined;
  /** Bytes of the real payload. */
  readonly contentLength: number;
  readonly trace: TraceContext | undefined;
}

/** The id in answers to what could not be read. Source: captures of 0.82, section 11. */
export const unknownInvocationId = "UNKNOWN";

const limits = { name: 256, id: 128 };
/** Bytes of an error's text that are sent and kept. */
const maxErrorBytes = 8_192;

export function successResponse(invocationId: string, payload: Uint8Array, contentLength?: number): WireResponse {
  return {
    payload,
    invocationId,
    error: undefined,
    contentLength: contentLength ?? payload.length,
    trace: undefined,
  };
}

/** A refusal or failure; old clients show `error` to people. */
export function failureResponse(invocationId: string, error: LatticeError): WireResponse {
  return { payload: new Uint8Array(), invocationId, error: error.message, contentLength: 0, trace: undefined };
}

/**
 * Reads either dialect; an empty `error`, as some SDKs write on success, is none. `payload` is a view of `bytes`.
 * @throws LatticeError REPLY_MALFORMED, naming the target and operation of `invocation`.
 */
export function decodeResponse(bytes: Uint8Array, invocation: WireInvocation): WireResponse {
  try {
    const response = read(new MsgpackReader(bytes));
    const { invocationId } = response;
    if (invocationId === invocation.id || invocationId === unknownInvocationId) return response;
    throw new MsgpackProblem(`it answers another invocation, ${invocationId}`);
  } catch (error) {
    if (error instanceof MsgpackProblem)
      throw fail("REPLY_MALFORMED", invocation.target.publicKey, invocation.operation, error.message);
    throw error;
  }
}

/** The bytes as 0.82 writes them; `error` only when there is one. */
export function encodeResponse(response: WireResponse): Uint8Array {
  const { payload, invocationId, trace, contentLength } = response;
  const error = response.error?.slice(0, maxErrorBytes);
  const writer = new MsgpackWriter(
    keys.size +
      bytesSize(payload) +
      textSize(invocationId) +
      textSize(error ?? "") +
      textSize(trace?.traceparent ?? "") +
      textSize(trace?.tracestate ?? ""),
  );
  writer.constant(error === undefined ? keys.msg : keys.msgOfFive);
  writer.bytes(payload);
  writer.constant(keys.invocationId);
  writer.text(invocationId);
  if (error !== undefined) {
    writer.constant(keys.error);
    writer.text(error);
  }
  writer.constant(keys.contentLength);
  writer.uint(contentLength);
  writer.constant(keys.trace);
  writeTrace(writer, trace);
  return writer.end();
}

/** What `error` of a response means to the caller; its code did not travel. */
export function responseError({ target, operation }: WireInvocation, error: string): LatticeError {
  return fail(isActorEntity(target) ? "GUEST_FAILED" : "PROVIDER_FAILED", target.publicKey, operation, error);
}

const keys = {
  msg: encodedKey("msg", 0x84),
  msgOfFive: encodedKey("msg", 0x85),
  invocationId: encodedKey("invocation_id"),
  error: encodedKey("error"),
  contentLength: encodedKey("content_length"),
  trace: encodedKey("traceContext"),
  /** More than all of them together, the length of content and the keys of a trace. */
  size: 128,
};

function read(reader: MsgpackReader): WireResponse {
  let payload: Uint8Array | undefined;
  let invocationId: string | undefined;
  let error: string | undefined;
  let contentLength: number | undefined;
  let trace: TraceContext | undefined;
  for (let left = reader.map("it"); left > 0; left--) {
    const name = reader.anyText("a member's name", limits.name);
    if (name === "msg") payload = reader.nil() ? undefined : reader.bytes(name);
    else if (name === "invocation_id") invocationId = reader.text(name, limits.id);
    else if (name === "error") error = reader.nil() ? undefined : reader.longText(name, maxErrorBytes);
    else if (name === "content_length") contentLength = reader.nil() ? undefined : reader.uint(name);
    else if (name === "traceContext") trace = readTrace(reader);
    else reader.skip();
  }
  reader.end();
  if (invocationId === undefined) throw new MsgpackProblem("invocation_id is missing");
  if (payload === undefined && !error) throw new MsgpackProblem("msg is missing");
  const body = payload ?? new Uint8Array();
  return {
    payload: body,
    invocationId,
    error: error === "" ? undefined : error,
    contentLength: contentLength ?? body.length,
    trace,
  };
}
