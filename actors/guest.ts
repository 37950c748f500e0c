import { fail, failFrom, type LatticeError } from "../lattice/index.ts";
import type { CallSites } from "./call-sites.ts";
import type { FuelRate } from "./fuel-rate.ts";
import { type GuestFrame, type Pending, sentinel } from "./guest-frame.ts";
import { LARGE } from "./instrument/options.ts";
import type { GuestCall, GuestHost } from "./guest-host.ts";
import type { PoolLimits } from "./limits.ts";
import type { PreparedModule } from "./prepared.ts";
import type { Scheduler } from "./scheduler.ts";
import { describeTrap } from "./traps.ts";
import { isWasiModule, Wasi } from "./wasi.ts";
import { WapcExchange } from "./wapc.ts";

/** A call on its way through a pool: admitted, perhaps waiting, given to one guest, settled once. */
export interface Ticket {
  readonly call: GuestCall;
  /** The operation in UTF-8. */
  readonly operation: Uint8Array;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: LatticeError) => void;
  /** When it was admitted, by the scheduler's coarse clock. */
  readonly since: number;
  /** CPU time accounted so far. */
  cpuNs: number;
}

/** What all guests of one pool share. */
export interface GuestEnvironment {
  readonly module: PreparedModule;
  readonly host: GuestHost;
  readonly limits: PoolLimits;
  readonly scheduler: Scheduler;
  /** The actor, for errors. */
  readonly name: string;
  readonly sites: CallSites;
  readonly rate: FuelRate;
}

/** The pool as its guests see it. */
export interface GuestOwner {
  /** The next call for a guest that is free, if one waits. */
  take(guest: Guest): Ticket | undefined;
  /** The guest waits for a call, to be given by `offer`. */
  rested(guest: Guest): void;
  /** The guest is free but its turn is over; it takes a call by itself in the next turn of the event loop. */
  parked(guest: Guest): void;
  unparked(guest: Guest): void;
  /** The guest waits in the middle of a call. */
  suspended(guest: Guest): void;
  answer(ticket: Ticket, reply: Uint8Array): void;
  refuse(ticket: Ticket, error: LatticeError): void;
  /** The guest takes no more calls. */
  ended(guest: Guest, trapped: boolean): void;
  /** CPU time that guests of the pool have used. */
  used(ns: number): void;
}

type State = "starting" | "running" | "idle" | "parked" | "waiting" | "spinning" | "ended";

const nothing = new Uint8Array(0);

/** Import work between two looks at the clock, in nanoseconds. */
const allowanceNs = 150_000;
/** What taking, answering and settling one call costs the thread, in nanoseconds. */
const callNs = 300;
/** What suspending and resuming costs it. */
const suspensionNs = 800;

/** Leaves the guest from inside an import. Guest code may catch it; `ended` is set then, and it is killed at its next check. */
class GuestFault extends Error {}

/** A promise's resolver without a closure per promise. */
let resolver: (result: number) => void;
const capture = (resolve: (result: number) => void): void => {
  resolver = resolve;
};

/**
 * One instance of a module and the one coroutine in which it runs: start functions first, then a
 * loop, inside wasm, that takes call after call from the pool. Exactly one call is in flight.
 *
 * The coroutine suspends when it waits for a call (`next`), for a host call (`wait`) or for its next
 * slice (`yield`). Each suspension is a promise of ours, so that a guest can always be resumed with
 * the order to end: an abandoned coroutine would keep its stack and memory for ever.
 */
export class Guest implements GuestFrame {
  readonly host: GuestHost;
  /** When it last became idle, by the scheduler's coarse clock. */
  idleSince = 0;
  readonly #environment: GuestEnvironment;
  readonly #owner: GuestOwner;
  readonly #exchange: WapcExchange;
  readonly #wasi: Wasi;
  #usesWasi = false;
  #state: State = "starting";
  #ticket: Ticket | undefined;
  #memory: WebAssembly.Memory | undefined;
  #view = nothing;
  #fuel: WebAssembly.Global | undefined;
  /** Fuel at the last account. */
  #fuelMark = 0;
  /** When the present chunk of fuel was granted; NaN when the guest did not run on without a pause. */
  #grantedAt = Number.NaN;
  #allowance = allowanceNs;
  #exhausted = false;
  #ended = false;
  #trapped = false;
  #exitCode: number | undefined;
  #pending: Pending<unknown> | undefined;
  #resume: ((result: number) => void) | undefined;
  /** Start function being run, and when all must be done. */
  #entry: string | undefined;
  #startDeadline = 0;
  #startFailure: LatticeError | undefined;
  #startCall: GuestCall | undefined;
  #startCpuNs = 0;
  #finished: Promise<void> = Promise.resolve();
  readonly #onAnswer = (value: unknown) => this.#settle((pending) => pending.answered(value));
  readonly #onRefusal = (error: unknown) => this.#settle((pending) => pending.refused(error));

  constructor(environment: GuestEnvironment, owner: GuestOwner) {
    this.#environment = environment;
    this.#owner = owner;
    this.host = environment.host;
    this.#exchange = new WapcExchange(this, environment.sites, environment.limits.payloadBytes);
    this.#wasi = new Wasi(this);
  }

  get call(): GuestCall | undefined {
    return this.#ticket?.call ?? this.#startCall;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  /** Resolves when the coroutine has ended and its stack is free. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /**
   * Makes the instance, runs its start functions one after the other, each once and within the
   * limits, and begins the loop. Called once.
   * Source: waPC and actors reference, section 2.2.
   * @throws LatticeError GUEST_START_FAILED naming the function that failed.
   */
  async start(): Promise<void> {
    const { module, name, limits } = this.#environment;
    this.#startDeadline = performance.now() + limits.startupMs;
    this.#entry = "instantiation";
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(module.module, this.#imports());
    } catch (error) {
      this.#end();
      this.#state = "ended";
      throw failFrom(error, "GUEST_START_FAILED", name, "instantiation", describeTrap(error, module));
    }
    const { exports } = instance;
    this.#memory ??= exports.memory as WebAssembly.Memory;
    this.#fuel = exports["lattice:fuel"] as WebAssembly.Global;
    this.#fuel.value = this.#grant(Number.NaN);
    for (const entry of module.startup) await this.#runEntry(entry, exports[entry] as Function);
    this.#entry = undefined;
    this.#startCall = undefined;
    this.#state = "running";
    this.#finished = WebAssembly.promising(exports["lattice:run"] as Function)().then(
      () => this.#finish(),
      (error: unknown) => this.#trap(error),
    );
  }

  /** Gives the call to a guest that rested. */
  offer(ticket: Ticket): void {
    this.#state = "running";
    this.#grantedAt = Number.NaN;
    this.#resume!(this.#accept(ticket));
  }

  /** Ends what runs too long. Called by the deadline sweep. */
  sweep(now: number): void {
    if (this.#ended) return;
    if (this.#entry !== undefined && now >= this.#startDeadline) this.discard(this.#late());
    else if (this.#ticket && now >= this.#ticket.call.deadline) this.discard(this.#late());
  }

  /**
   * Ends the instance at once: its call fails with `error`, and a suspended coroutine is resumed to
   * unwind by a trap. Late answers of its host calls are dropped. `trapped` is false for an instance
   * that is merely not needed any more. May be called twice.
   */
  discard(error: LatticeError, trapped = true): void {
    if (this.#ended) return;
    this.#trapped = trapped;
    if (this.#entry !== undefined) this.#startFailure ??= error;
    this.#end();
    const ticket = this.#ticket;
    this.#ticket = undefined;
    if (ticket) this.#owner.refuse(ticket, error);
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.cancel?.();
    const resume = this.#resume;
    this.#resume = undefined;
    if (resume) resume(this.#state === "waiting" ? sentinel.kill : -1);
    // It runs at this moment, below us on the stack: it ends at its next check.
    else this.#exhaust();
  }

  // --- GuestFrame: what imports need ------------------------------------------------------------

  memory(): Uint8Array {
    // A view over a memory that has grown is detached and has length 0.
    if (this.#view.length === 0 && this.#memory) this.#view = new Uint8Array(this.#memory.buffer);
    return this.#view;
  }

  charge(ns: number): void {
    if ((this.#allowance -= ns) < 0) this.#exhaust();
  }

  pend(pending: Pending<unknown>): number {
    this.charge(suspensionNs);
    this.#pending = pending;
    return sentinel.pending;
  }

  fault(why: string): Error {
    const { name } = this.#environment;
    const what = this.#entry ?? this.#ticket?.call.operation ?? "no call";
    this.discard(
      this.#entry === undefined
        ? fail("GUEST_MISBEHAVED", name, what, why)
        : fail("GUEST_START_FAILED", name, what, why),
    );
    return new GuestFault(why);
  }

  exit(code: number): void {
    this.#exitCode ??= code;
  }

  // --- The imports of the appended code (module `lattice`) ----------------------------------------

  #imports(): WebAssembly.Imports {
    const imports: WebAssembly.Imports = {
      lattice: {
        poll: () => this.#poll(),
        next: new WebAssembly.Suspending(() => this.#next()),
        size: (which: number) => this.#size(which),
        done: (rc: number, fuelLeft: number) => this.#done(rc, fuelLeft),
        wait: new WebAssembly.Suspending(() => this.#wait()),
        fuel: () => this.#fuelEnded(),
        yield: new WebAssembly.Suspending(() => this.#yield()),
      },
    };
    for (const { module, name } of this.#environment.module.imports) {
      const own = (imports[module] ??= {});
      if (isWasiModule(module)) {
        this.#usesWasi = true;
        own[name] = this.#wasi.import(module, name);
      } else if (module === "env") {
        own[name] = (message: number, file: number, line: number, column: number) =>
          this.#abort(message >>> 0, file >>> 0, line >>> 0, column >>> 0);
      } else {
        // `prepare` has refused every name that waPC does not have.
        own[name] = this.#exchange.import(name)!;
      }
    }
    const wanted = this.#environment.module.importedMemory;
    if (wanted) {
      this.#memory = new WebAssembly.Memory({ initial: wanted.initial, maximum: wanted.maximum });
      (imports[wanted.module] ??= {})[wanted.name] = this.#memory;
    }
    return imports;
  }

  #poll(): number {
    if (this.#ended) return -1;
    if (this.#allowance < 0) {
      const now = performance.now();
      this.#renew();
      if (this.#environment.scheduler.turnIsOver(now)) {
        this.#state = "parked";
        return 0;
      }
    }
    const ticket = this.#owner.take(this);
    return ticket ? this.#accept(ticket) : 0;
  }

  #next(): Promise<number> | number {
    if (this.#ended) return -1;
    const promise = new Promise<number>(capture);
    this.#resume = resolver;
    if (this.#state === "parked") {
      this.#owner.parked(this);
      this.#environment.scheduler.rest(() => this.#unpark());
    } else {
      this.#state = "idle";
      this.#owner.rested(this);
    }
    return promise;
  }

  #unpark(): void {
    if (this.#ended) return;
    this.#state = "idle";
    this.#owner.unparked(this);
    const ticket = this.#owner.take(this);
    if (ticket) this.offer(ticket);
    else this.#owner.rested(this);
  }

  #accept(ticket: Ticket): number {
    this.#ticket = ticket;
    this.#resume = undefined;
    const { operation } = ticket;
    const { payload } = ticket.call;
    this.#exchange.begin(operation, payload);
    return operation.length < 128 && payload.length < 2 ** 24 ? (operation.length << 24) | payload.length : LARGE;
  }

  /** The lengths of a large call: 0 of its operation, 1 of its payload. */
  #size(which: number): number {
    const ticket = this.#ticket;
    if (!ticket) return 0;
    return which === 0 ? ticket.operation.length : ticket.call.payload.length;
  }

  #done(rc: number, fuelLeft: number): number {
    const { rate, name } = this.#environment;
    this.#owner.used((this.#fuelMark - fuelLeft) * rate.nsPerFuel);
    this.#fuelMark = fuelLeft;
    this.#allowance -= callNs;
    if (this.#usesWasi) this.#wasi.flush();
    const ticket = this.#ticket;
    // A guest that was discarded while it ran.
    if (!ticket) return -1;
    const outcome = this.#exchange.outcome(rc, name, ticket.call.operation);
    this.#ticket = undefined;
    if (outcome instanceof Uint8Array) this.#owner.answer(ticket, outcome);
    else this.#owner.refuse(ticket, outcome);
    return this.#poll();
  }

  #wait(): Promise<number> | number {
    if (this.#ended) return sentinel.kill;
    const promise = new Promise<number>(capture);
    this.#resume = resolver;
    this.#state = "waiting";
    this.#pending!.promise.then(this.#onAnswer, this.#onRefusal);
    this.#owner.suspended(this);
    return promise;
  }

  /** The outcome of what the guest waited for; dropped when the guest was discarded meanwhile. */
  #settle(result: (pending: Pending<unknown>) => number): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    this.#grantedAt = Number.NaN;
    const answer = result(pending);
    const resume = this.#resume;
    this.#resume = undefined;
    this.#state = this.#entry === undefined ? "running" : "starting";
    resume?.(answer);
  }

  #fuelEnded(): number {
    const now = performance.now();
    const { rate, limits, scheduler } = this.#environment;
    const ran = now - this.#grantedAt;
    if (this.#allowance === allowanceNs && !Number.isNaN(ran)) rate.sample(ran * 1e6, this.#fuelMark);
    const spent = this.#fuelMark * rate.nsPerFuel + (allowanceNs - this.#allowance);
    this.#owner.used(this.#fuelMark * rate.nsPerFuel);
    this.#fuelMark = 0;
    this.#renew();
    if (this.#ended) return -1;
    if (this.#overBudget(spent, now, limits)) return -1;
    if (scheduler.turnIsOver(now)) return 0;
    return this.#grant(now);
  }

  /** Accounts `spent` to the call or start function that runs; ends the guest when its time is up. */
  #overBudget(spent: number, now: number, limits: PoolLimits): boolean {
    const { name } = this.#environment;
    const ticket = this.#ticket;
    if (ticket) {
      ticket.cpuNs += spent;
      if (ticket.cpuNs > limits.cpuMs * 1e6) {
        this.discard(fail("GUEST_CPU_EXCEEDED", name, ticket.call.operation, limits.cpuMs));
      } else if (now >= ticket.call.deadline) {
        this.discard(this.#late());
      }
    } else if (this.#entry !== undefined) {
      this.#startCpuNs += spent;
      if (this.#startCpuNs > limits.startupMs * 1e6 || now >= this.#startDeadline) this.discard(this.#late());
    }
    return this.#ended;
  }

  #yield(): Promise<number> | number {
    if (this.#ended) return -1;
    const promise = new Promise<number>(capture);
    this.#resume = resolver;
    this.#state = "spinning";
    const { scheduler } = this.#environment;
    scheduler.spin(() => this.#respin());
    // Only a call that has used a slice of its own is worth another instance for those behind it.
    if (!this.#ticket || this.#ticket.cpuNs >= scheduler.sliceMs * 1e6) this.#owner.suspended(this);
    return promise;
  }

  #respin(): void {
    if (this.#ended) return;
    const resume = this.#resume!;
    this.#resume = undefined;
    this.#state = this.#entry === undefined ? "running" : "starting";
    resume(this.#grant(Number.NaN));
  }

  /** AssemblyScript's `env.abort(message, file, line, column)`. */
  #abort(message: number, file: number, line: number, column: number): never {
    const memory = this.memory();
    throw new GuestFault(`abort: ${scriptText(memory, message)} at ${scriptText(memory, file)}:${line}:${column}`);
  }

  // --- Ends and accounts --------------------------------------------------------------------------

  async #runEntry(entry: string, exported: Function): Promise<void> {
    const { name, module } = this.#environment;
    this.#entry = entry;
    this.#startCall = {
      operation: entry,
      payload: this.#view,
      deadline: this.#startDeadline,
      hops: 0,
      trace: undefined,
    };
    try {
      await WebAssembly.promising(exported)();
    } catch (error) {
      // Code 0 there means "initialised", and the instance stays usable.
      if (this.#exitCode === 0 && !this.#ended) {
        this.#exitCode = undefined;
        return;
      }
      const why = this.#exitCode === undefined ? describeTrap(error, module) : `it exited with code ${this.#exitCode}`;
      this.#end();
      this.#finish();
      throw this.#startFailure ?? fail("GUEST_START_FAILED", name, entry, why);
    } finally {
      this.#wasi.flush();
    }
    // Discarded while it ran, and it returned before its next check.
    if (this.#ended) {
      this.#finish();
      throw this.#startFailure ?? fail("STOPPED", name);
    }
  }

  #trap(error: unknown): void {
    const { name, module } = this.#environment;
    const ticket = this.#ticket;
    this.#ticket = undefined;
    this.#wasi.flush();
    if (ticket) {
      const { operation } = ticket.call;
      const exitCode = this.#exitCode;
      if (exitCode === 0 && this.#exchange.answered) {
        this.#end();
        this.#owner.answer(ticket, this.#exchange.outcome(1, name, operation) as Uint8Array);
      } else {
        this.#trapped = exitCode === undefined;
        this.#end();
        this.#owner.refuse(ticket, this.#trapError(error, operation, module));
      }
    }
    this.#end();
    this.#finish();
  }

  #trapError(error: unknown, operation: string, module: PreparedModule): LatticeError {
    const { name } = this.#environment;
    if (this.#exitCode !== undefined)
      return fail("GUEST_FAILED", name, operation, `it exited with code ${this.#exitCode}`);
    const trap = describeTrap(error, module);
    // AssemblyScript sets the error text and then traps.
    const text = this.#exchange.guestError;
    return fail("GUEST_TRAPPED", name, operation, text === undefined ? trap : `${text} (${trap})`);
  }

  /** Takes no more calls; the coroutine may still have to unwind. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#state === "parked") this.#owner.unparked(this);
    this.#owner.ended(this, this.#trapped);
  }

  /** The coroutine is gone: lets go of everything, since a provider may hold on to a promise we waited for. */
  #finish(): void {
    this.#end();
    this.#state = "ended";
    this.#exchange.clear();
    this.#memory = undefined;
    this.#view = nothing;
    this.#fuel = undefined;
    this.#resume = undefined;
    this.#pending = undefined;
    this.#startCall = undefined;
  }

  #late(): LatticeError {
    const { name, limits } = this.#environment;
    if (this.#entry !== undefined) {
      return fail("GUEST_START_FAILED", name, this.#entry, `it is not done after ${limits.startupMs} ms`);
    }
    const { call, since } = this.#ticket!;
    return fail("DEADLINE_EXCEEDED", `${call.operation} of ${name}`, Math.round(call.deadline - since));
  }

  #grant(now: number): number {
    const { chunk } = this.#environment.rate;
    this.#grantedAt = now;
    this.#fuelMark = chunk;
    return chunk;
  }

  /** The import allowance is used up: the guest comes to `#fuelEnded` at its next check. */
  #exhaust(): void {
    if (this.#exhausted || !this.#fuel) return;
    this.#exhausted = true;
    const spent = this.#fuelMark - this.#fuel.value;
    this.#fuelMark = 0;
    this.#fuel.value = 0;
    const ns = spent * this.#environment.rate.nsPerFuel;
    this.#owner.used(ns);
    if (this.#ticket) this.#ticket.cpuNs += ns;
  }

  /** A new allowance for imports; what they used is accounted. */
  #renew(): void {
    this.#grantedAt = Number.NaN;
    this.#owner.used(allowanceNs - this.#allowance);
    this.#allowance = allowanceNs;
    this.#exhausted = false;
  }
}

/** A string of AssemblyScript: UTF-16, its length in bytes before it. */
function scriptText(memory: Uint8Array, at: number): string {
  if (at < 4 || at > memory.length) return "?";
  const length = new DataView(memory.buffer).getUint32(at - 4, true);
  const end = Math.min(at + Math.min(length, 1_024), memory.length);
  return new TextDecoder("utf-16le").decode(memory.subarray(at, end));
}
