import { readFileSync } from "node:fs";
import wabtInit from "wabt";
import {
  ActorModule,
  Census,
  type GuestCall,
  type GuestHost,
  type GuestLimits,
  Pool,
  type PoolOptions,
  prepare,
  type PreparedModule,
  type PrepareOptions,
  Scheduler,
  signModule,
} from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";

const wabt = await wabtInit();
const features = {
  exceptions: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  threads: true,
  multi_value: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  extended_const: true,
};

/** Compiles WebAssembly text, function names included. */
export function assemble(text: string, name = "guest.wat"): Uint8Array {
  const module = wabt.parseWat(name, text, features);
  try {
    return module.toBinary({ write_debug_names: true }).buffer;
  } finally {
    module.destroy();
  }
}

/** A guest of `test/hostile`. */
export function hostile(name: string): Uint8Array {
  return assemble(readFileSync(new URL(`../hostile/${name}.wat`, import.meta.url), "utf8"), name);
}

const issuer = KeyPair.generate("account");

/** Signs `bytes` with a throw-away key and prepares them. */
export function prepared(bytes: Uint8Array, name = "guest", options: PrepareOptions = {}): PreparedModule {
  const signed = signModule(bytes, { issuer, module: KeyPair.generate("module"), name, file: name });
  return prepare(ActorModule.fromBytes(signed, { name }), options);
}

/** The waPC imports and two pages of memory; `body` defines `__guest_call`. */
export function guestText(body: string): string {
  return `(module
    (import "wapc" "__guest_request" (func $request (param i32 i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "wapc" "__guest_error" (func $fail (param i32 i32)))
    (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
    (import "wapc" "__host_response" (func $host_response (param i32)))
    (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
    (import "wapc" "__host_error" (func $host_error (param i32)))
    (import "wapc" "__console_log" (func $log (param i32 i32)))
    (memory (export "memory") 2)
    ${body})`;
}

/** Answers its payload. */
export const echoText = guestText(`
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (call $respond (i32.const 4096) (local.get 1))
    (i32.const 1))`);

/** Passes operation-independent payload on to test:host Relay and answers what comes back, or its error. */
export const relayText = guestText(`
  (data (i32.const 0) "defaulttest:hostRelay")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (if (i32.ne (i32.const 1) (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 5) (i32.const 4096) (local.get 1)))
      (then
        (call $host_error (i32.const 4096))
        (call $fail (i32.const 4096) (call $host_error_len))
        (return (i32.const 0))))
    (call $host_response (i32.const 4096))
    (call $respond (i32.const 4096) (call $host_response_len))
    (i32.const 1))`);

export interface LogLine {
  readonly stream: "console" | "stdout" | "stderr";
  readonly text: string;
}

export type HostCall = GuestHost["hostCall"];

export interface TestPool extends AsyncDisposable {
  readonly pool: Pool;
  readonly logs: LogLine[];
  call(operation?: string, payload?: Uint8Array | string, options?: Partial<GuestCall>): Promise<Uint8Array>;
}

export interface World extends AsyncDisposable {
  readonly scheduler: Scheduler;
  readonly census: Census;
  /** A pool on this world's thread; stopped with the world. */
  pool(
    module: PreparedModule,
    options?: { name?: string; limits?: Partial<GuestLimits>; hostCall?: HostCall } & Pick<
      PoolOptions,
      "onStartFailed"
    >,
  ): TestPool;
}

/** One engine's worth of scheduler and census. */
export function startWorld(options: { sliceMs?: number; instances?: number } = {}): World {
  const scheduler = new Scheduler(options);
  const census = new Census(options.instances);
  const pools: TestPool[] = [];
  return {
    scheduler,
    census,
    pool(module, { name = module.claims.name, limits = {}, hostCall = refuse, onStartFailed } = {}) {
      const logs: LogLine[] = [];
      const host: GuestHost = {
        hostCall,
        log: (stream, text) => void (logs.length < 100 && logs.push({ stream, text })),
      };
      const pool = new Pool({ module, host, limits, scheduler, census, name, ...(onStartFailed && { onStartFailed }) });
      const made: TestPool = {
        pool,
        logs,
        call: (operation = "Op", payload = "", rest = {}) =>
          pool.call({
            operation,
            payload: typeof payload === "string" ? Buffer.from(payload) : payload,
            deadline: performance.now() + 60_000,
            hops: 0,
            trace: undefined,
            ...rest,
          }),
        [Symbol.asyncDispose]: () => pool.stop(),
      };
      pools.push(made);
      return made;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map(({ pool }) => pool.stop()));
      scheduler.stop();
    },
  };
}

function refuse(): never {
  throw new Error("this host answers nothing");
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
