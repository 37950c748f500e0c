import assert from "node:assert/strict";
import { KeyPair } from "../../lattice/index.ts";
import { signed } from "./actors.ts";
import { manyFunctions, manyLocals } from "./generated-modules.ts";
import { assemble, guestText, hostile, textOf } from "./guests.ts";

/** What a call must come to: its error's code and words, or a check of its reply. */
export type Ending =
  | { readonly code: string; readonly text?: RegExp }
  | { readonly reply: (bytes: Uint8Array) => void };

export interface HostileCall {
  readonly ends: Ending;
  readonly payload?: Uint8Array;
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

export interface HostileGuest {
  readonly bytes: Uint8Array;
  /** Starting it must be refused so. */
  readonly refused?: { readonly code: string; readonly text: RegExp };
  readonly calls: readonly HostileCall[];
}

/** CPU time that one call may use on the host of these guests. */
export const hostileCpuMs = 150;

/**
 * Actors that the hostile ones call. `test:host` answers four bytes to whatever it is asked, but
 * holds `Hold` for an hour; `test:other` calls back whoever has the alias `test:back`.
 */
export const partners: Readonly<Record<string, Uint8Array>> = {
  "test:host": signed(
    assemble(`(module
      (import "wapc" "__guest_request" (func $request (param i32 i32)))
      (import "wapc" "__guest_response" (func $respond (param i32 i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "__guest_call") (param i32 i32) (result i32)
        (call $request (i32.const 1024) (i32.const 4096))
        (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 72)) (then
          (i64.store (i32.const 24) (i64.const 3_600_000_000_000))
          (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))
        (call $respond (i32.const 0) (i32.const 4))
        (i32.const 1)))`),
    { name: "test:host", callAlias: "test:host" },
  ),
  "test:other": signed(
    assemble(
      guestText(`
        (data (i32.const 0) "defaulttest:backBack")
        (func (export "__guest_call") (param i32 i32) (result i32)
          (if (i32.ne (i32.const 1) (call $host_call
              (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
            (then (return (i32.const 0))))
          (call $host_response (i32.const 1024))
          (call $respond (i32.const 1024) (call $host_response_len))
          (i32.const 1))`),
    ),
    { name: "test:other", callAlias: "test:other" },
  ),
};

const spent = { code: "GUEST_CPU_EXCEEDED", text: new RegExp(`used more than ${hostileCpuMs} ms of CPU in Op`) };
const trapped = (text: RegExp) => ({ code: "GUEST_TRAPPED", text });
const outside = { code: "GUEST_MISBEHAVED", text: /outside its memory/ };
const late = { code: "DEADLINE_EXCEEDED", text: /did not answer in \d+ ms/ };
const says = (wanted: string) => ({ reply: (bytes: Uint8Array) => assert.equal(textOf(bytes), wanted) });
const u32 = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
const way = (how: number) => Uint8Array.of(how);

/** A guest of `test/hostile` or of `bytes`, and what its calls come to. */
function guest(name: string, calls: readonly (HostileCall | Ending)[], options: GuestOptions = {}): HostileGuest {
  const { bytes = hostile(name), callAlias, capabilities = [], refused } = options;
  return {
    bytes: signed(bytes, { name, callAlias, capabilities, module: KeyPair.generate("module") }),
    calls: calls.map((each) => ("ends" in each ? each : { ends: each })),
    ...(refused ? { refused } : {}),
  };
}

interface GuestOptions {
  readonly bytes?: Uint8Array;
  readonly callAlias?: string;
  readonly capabilities?: readonly string[];
  readonly refused?: HostileGuest["refused"];
}

/** A guest that cannot even start. */
function refused(name: string, code: string, text: RegExp, bytes?: Uint8Array): HostileGuest {
  return guest(name, [], { refused: { code, text }, ...(bytes ? { bytes } : {}) });
}

const doomed = (where: string) =>
  refused(
    `spin-in-${where}`,
    "GUEST_START_FAILED",
    new RegExp(`failed to start in .*${where.replaceAll("-section", "")}`),
  );

/** Asks `contract` the same for ever, in a loop like that of `spin-host-calls`. */
const spinOn = (contract: string, operation: string) =>
  assemble(
    guestText(`
      (data (i32.const 0) "default${contract}${operation}\\81\\a3key\\a1k")
      (func (export "__guest_call") (param i32 i32) (result i32)
        (loop $again
          (drop (call $host_call
            (i32.const 0) (i32.const 7)
            (i32.const 7) (i32.const ${contract.length})
            (i32.const ${7 + contract.length}) (i32.const ${operation.length})
            (i32.const ${7 + contract.length + operation.length}) (i32.const 7)))
          (br $again))
        (i32.const 1))`),
  );

/** Calls an import of WASI for ever, over its whole memory where that takes a length. */
const spinOnWasi = (name: string, parameters: number, call: string) =>
  assemble(`(module
    (import "wasi_snapshot_preview1" "${name}" (func $wasi ${"(param i32)".repeat(parameters)} (result i32)))
    (memory (export "memory") 32)
    (func (export "__guest_call") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (i32.const 60000))
      (loop $again (drop (call $wasi ${call})) (br $again))
      (i32.const 1)))`);

/** Calls itself by alias again and again, as do all that it calls: as many chains as time allows. */
const callSelfForEver = assemble(
  guestText(`
    (data (i32.const 0) "defaulttest:bombCall")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (loop $again
        (drop (call $host_call
          (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
        (br $again))
      (i32.const 1))`),
);

/** One section as it must not be, between a header and whatever. */
const raw = (...bytes: number[]) => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes);

/** All hostile guests, each with every way in which it can be called. */
export const hostileGuests: Readonly<Record<string, HostileGuest>> = {
  spin: guest("spin", [spent, { ends: late, timeoutMs: 20 }]),
  "spin-tail-calls": guest("spin-tail-calls", [spent]),
  "spin-host-calls": guest("spin-host-calls", [spent]),
  "spin-refused-calls": guest("spin-refused-calls", [spent], { bytes: spinOn("test:nobody", "Ping") }),
  "spin-keyvalue": guest("spin-keyvalue", [spent], {
    bytes: spinOn("wasmcloud:keyvalue", "KeyExists"),
    capabilities: ["wasmcloud:keyvalue"],
  }),
  "spin-log": guest("spin-log", [spent]),
  "spin-random": guest("spin-random", [spent], {
    bytes: spinOnWasi("random_get", 2, "(i32.const 0) (i32.const 1048576)"),
  }),
  "spin-stdout": guest("spin-stdout", [spent], {
    bytes: spinOnWasi("fd_write", 4, "(i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)"),
  }),
  "spin-yield": guest("spin-yield", [spent], { bytes: spinOnWasi("sched_yield", 0, "") }),
  "spin-in-_start": doomed("_start"),
  "spin-in-start-section": doomed("start-section"),
  "spin-in-wapc_init": doomed("wapc_init"),
  recurse: guest("recurse", [trapped(/stack overflow in deeper < deeper/)]),
  "grow-memory": guest("grow-memory", [{ reply: (bytes) => assert.equal(u32(bytes), 1_024) }]),
  "grow-table": guest("grow-table", [{ reply: (bytes) => assert.ok(u32(bytes) <= 100_000) }]),
  "bulk-fill": guest("bulk-fill", [spent]),
  "atomic-wait": refused("atomic-wait", "MODULE_FEATURE_REFUSED", /uses threads/),
  trap: guest("trap", [
    { ends: trapped(/unreachable in give_up/), payload: way(0) },
    { ends: trapped(/divide by zero in divide_by_zero/), payload: way(1) },
    { ends: trapped(/out of bounds in read_outside/), payload: way(2) },
  ]),
  "answer-nothing": guest("answer-nothing", [
    { ends: says(""), payload: way(1) },
    { ends: { code: "GUEST_FAILED", text: /returned 0 without an error text/ }, payload: way(0) },
  ]),
  "answer-twice": guest("answer-twice", [
    says("second"),
    { ends: { code: "GUEST_FAILED", text: /: third$/ }, payload: way(0) },
  ]),
  "answer-for-ever": guest("answer-for-ever", [spent]),
  "lengths-beyond-memory": guest(
    "lengths-beyond-memory",
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((how) => ({ ends: outside, payload: way(how) })),
  ),
  "error-of-1-gib": guest("error-of-1-gib", [outside]),
  "error-of-60-mib": guest("error-of-60-mib", [
    { code: "GUEST_FAILED", text: /^error-of-60-mib failed Op: x{65536}$/ },
  ]),
  "hold-host-call": guest("hold-host-call", [{ ends: late, timeoutMs: 200 }]),
  "call-self": guest("call-self", [{ code: "HOPS_EXCEEDED", text: /the call chain reached 16 hops/ }], {
    callAlias: "test:self",
  }),
  "call-self-for-ever": guest("call-self-for-ever", [{ ends: late, timeoutMs: 800 }], {
    bytes: callSelfForEver,
    callAlias: "test:bomb",
  }),
  "call-back": guest("call-back", [says("Back")], { callAlias: "test:back" }),
  throw: guest("throw", [trapped(/an exception that nobody caught/)]),
  "catch-all": guest("catch-all", [
    { ends: spent, payload: way(0) },
    { ends: late, payload: way(1), timeoutMs: 200 },
    { ends: outside, payload: way(2) },
    { ends: trapped(/stack overflow/), payload: way(3) },
  ]),
  "50 000 functions": guest("50 000 functions", [says("")], { bytes: manyFunctions(50_000) }),
  "784 KB of locals": guest("784 KB of locals", [trapped(/stack overflow/)], { bytes: manyLocals(49_000) }),
  "1 MB of locals": refused("1 MB of locals", "MODULE_LIMIT", /function 0 has 65536 locals/, manyLocals(65_536)),
  "a 64-bit memory": refused("a 64-bit memory", "MODULE_FEATURE_REFUSED", /memory64/, raw(5, 3, 1, 4, 1)),
  "a structure type": refused("a structure type", "MODULE_FEATURE_REFUSED", /uses gc/, raw(1, 5, 1, 0x5f, 1, 0x7f, 0)),
};
