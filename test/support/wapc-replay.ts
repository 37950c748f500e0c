/**
 * A synchronous waPC host of a few lines, apart from the product's engine: it plays a conversation with a
 * guest and writes down all that was said. Source: waPC and actors reference, section 2.
 */
import { unpack } from "../../lattice/index.ts";

export interface Call {
  readonly operation: string;
  readonly payload: Uint8Array;
}

/** A host call as the guest made it; the names are those of the eight-parameter form. */
export interface HostCall {
  readonly binding: string;
  readonly contract: string;
  readonly operation: string;
  readonly payload: Uint8Array;
}

/** Answers a host call; an Error thrown becomes the host error. */
export type Answer = (call: HostCall) => Uint8Array;

/** What one call led to: texts, so that two transcripts compare and a difference can be read. */
export interface Transcript {
  readonly operation: string;
  readonly hostCalls: string[];
  readonly console: string[];
  readonly outcome: string;
}

/** Plays the calls in order on one instance; `onReply` gets the bytes of each reply. */
export function replay(
  module: Uint8Array,
  calls: readonly Call[],
  answer: Answer,
  onReply?: (reply: Uint8Array) => void,
): Transcript[] {
  const guest = instantiate(module, answer, onReply);
  return calls.map((call) => guest(call));
}

interface Exchange {
  call: Call;
  reply?: Uint8Array;
  error?: string;
  hostReply: Uint8Array;
  hostError: Uint8Array;
  hostCalls: string[];
  console: string[];
}

function instantiate(
  bytes: Uint8Array,
  answer: Answer,
  onReply: ((reply: Uint8Array) => void) | undefined,
): (call: Call) => Transcript {
  let now: Exchange;
  let memory: WebAssembly.Memory;
  const view = () => new Uint8Array(memory.buffer);
  const copy = (at: number, length: number) => view().slice(at, at + length);
  const text = (at: number, length: number) => Buffer.from(copy(at, length)).toString();
  const wapc = {
    __guest_request: (operation: number, payload: number) => {
      view().set(Buffer.from(now.call.operation), operation);
      view().set(now.call.payload, payload);
    },
    __guest_response: (at: number, length: number) => void (now.reply = copy(at, length)),
    __guest_error: (at: number, length: number) => void (now.error = text(at, length)),
    __host_call: (...places: number[]) => {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < places.length; i += 2) parts.push(copy(places[i] ?? 0, places[i + 1] ?? 0));
      const payload = parts.pop() ?? new Uint8Array();
      const names = parts.map((part) => Buffer.from(part).toString());
      now.hostReply = now.hostError = new Uint8Array();
      now.hostCalls.push([...names, readable(payload)].join(" "));
      try {
        now.hostReply = answer({ ...eightNames(names), payload });
        return 1;
      } catch (error) {
        now.hostError = Buffer.from((error as Error).message);
        return 0;
      }
    },
    __host_response_len: () => now.hostReply.length,
    __host_response: (at: number) => view().set(now.hostReply, at),
    __host_error_len: () => now.hostError.length,
    __host_error: (at: number) => view().set(now.hostError, at),
    __console_log: (at: number, length: number) => void now.console.push(text(at, length)),
  };
  const wasi = {
    random_get: (at: number, length: number) => {
      view().fill(7, at, at + length);
      return 0;
    },
    fd_write: (_descriptor: number, parts: number, count: number, written: number) => {
      const data = new DataView(memory.buffer);
      let total = 0;
      for (let i = 0; i < count; i++) total += data.getUint32(parts + i * 8 + 4, true);
      data.setUint32(written, total, true);
      return 0;
    },
  };
  const imports = { wapc, wasmbus: wapc, wasi_snapshot_preview1: wasi };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(bytes)), imports);
  memory = exports.memory as WebAssembly.Memory;
  (exports.wapc_init as (() => void) | undefined)?.();
  const guestCall = exports["__guest_call"] as (operation: number, payload: number) => number;

  return (call) => {
    now = { call, hostReply: new Uint8Array(), hostError: new Uint8Array(), hostCalls: [], console: [] };
    let outcome: string;
    try {
      const rc = guestCall(Buffer.byteLength(call.operation), call.payload.length);
      if (now.reply !== undefined) onReply?.(now.reply);
      const said = now.error === undefined ? readable(now.reply ?? new Uint8Array()) : `error ${now.error}`;
      outcome = `${rc} ${said}`;
    } catch (error) {
      outcome = `trap ${(error as Error).message}`;
    }
    return { operation: call.operation, hostCalls: now.hostCalls, console: now.console, outcome };
  };
}

/** Names of the four- and six-parameter forms, filled up to binding, contract and operation. */
function eightNames(names: string[]): { binding: string; contract: string; operation: string } {
  const [binding, contract, operation] =
    names.length === 3 ? names : ["default", ...(names.length === 2 ? names : (names[0] ?? "").split("!"))];
  return { binding: binding ?? "", contract: contract ?? "", operation: operation ?? "" };
}

/** MessagePack structures with their fields in order of name, which hash maps do not keep; else hex. */
function readable(bytes: Uint8Array): string {
  try {
    const value = unpack(bytes, "a payload");
    if (typeof value === "object" && value !== null) return JSON.stringify(sorted(value));
  } catch {
    // Not MessagePack: protobuf, plain text or nothing.
  }
  return Buffer.from(bytes).toString("hex");
}

function sorted(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
