import { eras } from "../../eras.ts";
import { catalogue, fromWire, kinds } from "../../errors.ts";
import type { LatticeError, WireError } from "../../errors.ts";
import type { Origin, TraceContext } from "../../invocations.ts";
import { FrameProblem, frameTextSize } from "./frame-bytes.ts";
import type { FrameReader, FrameWriter } from "./frame-bytes.ts";

/** Who is meant on the other host; which one that is was decided by the caller's host. */
export type RemoteTarget =
  | { readonly kind: "actor"; readonly key: string; readonly placement?: string }
  | { readonly kind: "provider"; readonly key: string; readonly contractId: string; readonly linkName: string };

/** One call between two of our hosts. */
export interface RemoteCall {
  readonly origin: Origin;
  readonly target: RemoteTarget;
  readonly operation: string;
  readonly payload: Uint8Array;
  /** What is left of the caller's deadline when it is sent, in whole milliseconds. */
  readonly budgetMs: number;
  /** Calls before this one in the chain, up to 255. */
  readonly hops: number;
  readonly trace: TraceContext | undefined;
}

/** A payload that lies in the object store. */
export interface StoredPayload {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of the payload, 32 bytes. */
  readonly digest: Uint8Array;
}

/** A call or an answer as it stands in a frame: the payload inside or elsewhere. */
export type InFrame<T> = T & { readonly stored: StoredPayload | undefined };

/** What came of a call: bytes, or the error as it crosses hosts. */
export type RemoteAnswer =
  | { readonly ok: true; readonly payload: Uint8Array; readonly stored: StoredPayload | undefined }
  | { readonly ok: false; readonly error: LatticeError };

const flags = { trace: 1, tracestate: 2, stored: 4, placement: 8 };
const originKinds = ["actor", "provider", "operator"] as const;
const targetKinds = ["actor", "provider"] as const;

/** Most bytes that `writeCall` takes. */
export function callSize({ origin, target, operation, payload, trace }: RemoteCall): number {
  const traced = trace ? frameTextSize(trace.traceparent) + frameTextSize(trace.tracestate ?? "") : 0;
  return 8 + originSize(origin) + targetSize(target) + frameTextSize(operation) + traced + storedSize + payload.length;
}

/** Flags, kinds, era, hops, budget, texts, payload. */
export function writeCall(writer: FrameWriter, call: RemoteCall, stored: StoredPayload | undefined): void {
  const { origin, target, operation, payload, budgetMs, hops, trace } = call;
  writer.u8(
    (trace ? flags.trace : 0) |
      (trace?.tracestate === undefined ? 0 : flags.tracestate) |
      (stored ? flags.stored : 0) |
      (target.kind === "actor" && target.placement !== undefined ? flags.placement : 0),
  );
  writer.u8(originKinds.indexOf(origin.kind) * 2 + targetKinds.indexOf(target.kind));
  writer.u8(origin.kind === "actor" ? eras.indexOf(origin.era) : 0);
  writer.u8(Math.min(hops, 255));
  writer.u32(Math.max(0, Math.min(Math.round(budgetMs), 0xffff_ffff)));
  writeOrigin(writer, origin);
  writeTarget(writer, target);
  writer.text(operation);
  if (trace) writer.text(trace.traceparent);
  if (trace?.tracestate !== undefined) writer.text(trace.tracestate);
  if (stored) writeStored(writer, stored);
  else writer.bytes(payload);
}

/** `payload` is a view of the frame. @throws FrameProblem. */
export function readCall(reader: FrameReader): InFrame<RemoteCall> {
  const has = reader.u8();
  const both = reader.u8();
  const era = eras[reader.u8()];
  const hops = reader.u8();
  const budgetMs = reader.u32();
  const origin = readOrigin(reader, originKinds[both >> 1], era);
  const target = readTarget(reader, targetKinds[both & 1], (has & flags.placement) !== 0);
  const operation = reader.text();
  const traceparent = has & flags.trace ? reader.text() : undefined;
  const tracestate = has & flags.tracestate ? reader.text() : undefined;
  const trace =
    traceparent === undefined ? undefined : tracestate === undefined ? { traceparent } : { traceparent, tracestate };
  const stored = has & flags.stored ? readStored(reader) : undefined;
  return { origin, target, operation, payload: reader.rest(), budgetMs, hops, trace, stored };
}

const answers = { payload: 0, stored: 1, error: 2 };
/** An error's message is cut to this many characters before it travels. */
const maxErrorText = 4_096;

export function answerSize(answer: RemoteAnswer): number {
  return answer.ok ? 1 + storedSize + answer.payload.length : 1 + frameTextSize(errorText(answer.error));
}

export function writeAnswer(writer: FrameWriter, answer: RemoteAnswer): void {
  if (!answer.ok) {
    writer.u8(answers.error);
    writer.text(errorText(answer.error));
  } else if (answer.stored) {
    writer.u8(answers.stored);
    writeStored(writer, answer.stored);
  } else {
    writer.u8(answers.payload);
    writer.bytes(answer.payload);
  }
}

/** `payload` is a view of the frame. @throws FrameProblem. */
export function readAnswer(reader: FrameReader): RemoteAnswer {
  const kind = reader.u8();
  if (kind === answers.payload) return { ok: true, payload: reader.rest(), stored: undefined };
  if (kind === answers.stored) return { ok: true, payload: new Uint8Array(), stored: readStored(reader) };
  if (kind === answers.error) return { ok: false, error: fromWire(readError(reader.text())) };
  throw new FrameProblem("it is no answer");
}

function errorText(error: LatticeError): string {
  const { message, cause, ...wire } = error.toWire();
  const cut = { message: message.slice(0, maxErrorText), ...(cause && { cause: cause.slice(0, maxErrorText) }) };
  return JSON.stringify({ ...wire, ...cut });
}

function readError(text: string): WireError {
  let wire: Partial<Record<string, unknown>>;
  try {
    wire = Object(JSON.parse(text)) as typeof wire;
  } catch {
    throw new FrameProblem("its error is no JSON");
  }
  const { code, message, cause } = wire;
  if (typeof code !== "string" || typeof message !== "string") throw new FrameProblem("its error has no code");
  // A newer host may know codes that are not in the catalogue here.
  const known = Object.hasOwn(catalogue, code) ? (code as keyof typeof catalogue) : "PROVIDER_FAILED";
  const kind = Object.keys(kinds).find((each) => each === wire.kind) as WireError["kind"] | undefined;
  return {
    code: known,
    kind: kind ?? catalogue[known].kind,
    message,
    ...(typeof cause === "string" ? { cause } : {}),
  };
}

/** A text, a length and a digest; names are ids. */
const storedSize = 512;

function writeStored(writer: FrameWriter, { name, bytes, digest }: StoredPayload): void {
  writer.text(name);
  writer.u32(bytes);
  writer.bytes(digest);
}

function readStored(reader: FrameReader): StoredPayload {
  return { name: reader.text(), bytes: reader.u32(), digest: reader.bytes(32) };
}

function originSize(origin: Origin): number {
  if (origin.kind === "operator") return frameTextSize(origin.name);
  if (origin.kind === "provider")
    return frameTextSize(origin.key) + frameTextSize(origin.contractId) + frameTextSize(origin.linkName);
  return frameTextSize(origin.key) + frameTextSize(origin.name) + frameTextSize(origin.placement);
}

function writeOrigin(writer: FrameWriter, origin: Origin): void {
  if (origin.kind === "operator") return writer.text(origin.name);
  writer.text(origin.key);
  writer.text(origin.kind === "actor" ? origin.name : origin.contractId);
  writer.text(origin.kind === "actor" ? origin.placement : origin.linkName);
}

function targetSize(target: RemoteTarget): number {
  if (target.kind === "actor") return frameTextSize(target.key) + frameTextSize(target.placement ?? "");
  return frameTextSize(target.key) + frameTextSize(target.contractId) + frameTextSize(target.linkName);
}

function writeTarget(writer: FrameWriter, target: RemoteTarget): void {
  writer.text(target.key);
  if (target.kind === "actor") {
    if (target.placement !== undefined) writer.text(target.placement);
    return;
  }
  writer.text(target.contractId);
  writer.text(target.linkName);
}

function readOrigin(reader: FrameReader, kind: (typeof originKinds)[number] | undefined, era: unknown): Origin {
  if (kind === "operator") return { kind, name: reader.text() };
  if (kind === "provider") return { kind, key: reader.text(), contractId: reader.text(), linkName: reader.text() };
  const known = eras.find((each) => each === era);
  if (kind === undefined || known === undefined) throw new FrameProblem("its origin is of no known kind");
  return { kind, key: reader.text(), name: reader.text(), placement: reader.text(), era: known };
}

function readTarget(
  reader: FrameReader,
  kind: (typeof targetKinds)[number] | undefined,
  placed: boolean,
): RemoteTarget {
  if (kind === "provider") return { kind, key: reader.text(), contractId: reader.text(), linkName: reader.text() };
  const key = reader.text();
  return { kind: "actor", key, ...(placed ? { placement: reader.text() } : {}) };
}
