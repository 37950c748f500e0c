import { describe, fail, failFrom, type LatticeError } from "../lattice/index.ts";
import { type GuestFrame, type Pending, sentinel } from "./guest-frame.ts";
import type { GuestCall, GuestHost, Introduce, Waiter } from "./guest-host.ts";
import { GuestFault, guestImports } from "./guest-imports.ts";
import { GuestStart } from "./guest-start.ts";
import type { GuestEnvironment, GuestOwner, Ticket } from "./guest-owner.ts";
import { LARGE } from "./instrument/options.ts";
import type { PreparedModule } from "./prepared.ts";
import { TimeAccount } from "./time-account.ts";
import { describeTrap } from "./traps.ts";
import { WapcExchange } from "./wapc.ts";
import { Wasi } from "./wasi.ts";

type State = "starting" | "running" | "idle" | "parked" | "waiting" | "spinning" | "ended";

const nothing = new Uint8Array(0);
const noWords = new Int32Array(nothing.buffer);

/** What taking, answering and settling one call costs the thread, in nanoseconds. */
const callNs = 300;
/** What suspending and resuming costs it. */
const suspensionNs = 800;

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
  readonly #time: TimeAccount;
  #state: State = "starting";
  #ticket: Ticket | undefined;
  #memory: WebAssembly.Memory | undefined;
  #view = nothing;
  buffer: ArrayBuffer = nothing.buffer;
  words = noWords;
  #ended = false;
  #trapped = false;
  #exitCode: number | undefined;
  #pending: Pending<unknown> | undefined;
  #resume: ((result: number) => void) | undefined;
  /** Until its loop begins. */
  #starting: GuestStart | undefined;
  #finished: Promise<void> = Promise.resolve();
  readonly #onAnswer = (value: unknown) => this.#settle((pending) => pending.answered(value));
  readonly #onRefusal = (error: unknown) => {
    const { deadline } = this.#ticket?.call ?? { deadline: Number.POSITIVE_INFINITY };
    // Its own call is late with it: one end for the guest and its caller, whoever looked at the clock first.
    if (performance.now() >= deadline) this.discard(this.#late());
    else this.#settle((pending) => pending.refused(error));
  };

  readonly waiter: Waiter = { answered: this.#onAnswer, failed: this.#onRefusal };

  constructor(environment: GuestEnvironment, owner: GuestOwner) {
    this.#environment = environment;
    this.#owner = owner;
    this.host = environment.host;
    this.#exchange = new WapcExchange(this, environment.sites, environment.limits.payloadBytes);
    this.#wasi = new Wasi(this);
    this.#time = new TimeAccount(environment.rate, (ns) => owner.used(ns));
  }

  get call(): GuestCall | undefined {
    return this.#ticket?.call ?? this.#starting?.call;
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
   * limits, introduces it, and begins the loop. Called once.
   * Source: waPC and actors reference, section 2.2.
   * @throws LatticeError GUEST_START_FAILED naming the function or operation that failed.
   */
  async start(): Promise<void> {
    const { module, name, limits, introduce } = this.#environment;
    // The pool may have stopped between the decision to start and now.
    if (this.#ended) throw fail("STOPPED", name);
    const starting = new GuestStart(name, limits.startupMs);
    this.#starting = starting;
    const { imports, memory } = this.#imports();
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(module.module, imports);
    } catch (error) {
      this.#end();
      this.#state = "ended";
      throw failFrom(error, "GUEST_START_FAILED", name, "instantiation", describeTrap(error, module));
    }
    const { exports } = instance;
    this.#memory = memory ?? (exports.memory as WebAssembly.Memory);
    this.#time.open(exports["lattice:fuel"] as WebAssembly.Global);
    for (const entry of module.startup) await this.#runEntry(starting, entry, exports[entry] as Function);
    if (introduce) await this.#introduce(starting, introduce, exports["__guest_call"] as Function);
    this.#starting = undefined;
    this.#state = "running";
    this.#finished = WebAssembly.promising(exports["lattice:run"] as Function)().then(
      () => this.#finish(),
      (error: unknown) => this.#trap(error),
    );
  }

  /** Gives the call to a guest that rested. */
  offer(ticket: Ticket): void {
    this.#state = "running";
    this.#time.pause();
    this.#resume!(this.#accept(ticket));
  }

  /** Ends what runs too long. Called by the deadline sweep. */
  sweep(now: number): void {
    if (this.#ended) return;
    if (this.#starting?.isLate(now)) this.discard(this.#late());
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
    if (this.#starting) this.#starting.failure ??= error;
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
    else this.#time.exhaust();
  }

  // --- GuestFrame: what imports need ------------------------------------------------------------

  memory(): Uint8Array {
    // A view over a memory that has grown is detached and has length 0.
    if (this.#view.length === 0 && this.#memory) {
      this.buffer = this.#memory.buffer;
      this.#view = new Uint8Array(this.buffer);
      this.words = new Int32Array(this.buffer);
    }
    return this.#view;
  }

  charge(ns: number): void {
    this.#time.charge(ns);
  }

  pend(pending: Pending<unknown>): number {
    this.#time.charge(suspensionNs);
    this.#pending = pending;
    return sentinel.pending;
  }

  fault(why: string): Error {
    const { name } = this.#environment;
    const what = this.#ticket?.call.operation ?? "no call";
    this.discard(this.#starting?.failed(why) ?? fail("GUEST_MISBEHAVED", name, what, why));
    return new GuestFault(why);
  }

  exit(code: number): void {
    this.#exitCode ??= code;
  }

  // --- The imports of the appended code (module `lattice`) ----------------------------------------

  #imports() {
    return guestImports(
      this.#environment.module,
      {
        poll: () => this.#poll(),
        next: () => this.#next(),
        size: (which) => this.#size(which),
        done: (rc, fuelLeft) => this.#done(rc, fuelLeft),
        wait: () => this.#wait(),
        fuel: () => this.#fuelEnded(),
        yield: () => this.#yield(),
      },
      this.#exchange,
      this.#wasi,
      () => this.memory(),
    );
  }

  #poll(): number {
    if (this.#ended) return -1;
    if (this.#time.due) {
      this.#time.renew();
      if (this.#environment.scheduler.turnIsOver(performance.now())) {
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
    ticket.waiter.begun?.();
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
    this.#time.settle(fuelLeft, callNs);
    this.#wasi.flush();
    const ticket = this.#ticket;
    // A guest that was discarded while it ran.
    if (!ticket) return -1;
    const outcome = this.#exchange.outcome(rc, this.#environment.name, ticket.call.operation);
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
    this.#pending!.promise?.then(this.#onAnswer, this.#onRefusal);
    this.#owner.suspended(this);
    return promise;
  }

  /** The outcome of what the guest waited for; dropped when the guest was discarded meanwhile. */
  #settle(result: (pending: Pending<unknown>) => number): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    this.#time.pause();
    let answer: number;
    try {
      answer = result(pending);
    } catch (error) {
      // Nobody stands above a promise's callback to catch it.
      this.fault(describe(error));
      return;
    }
    const resume = this.#resume;
    this.#resume = undefined;
    this.#state = this.#starting ? "starting" : "running";
    resume?.(answer);
  }

  #fuelEnded(): number {
    const now = performance.now();
    const spent = this.#time.fuelEnded(now);
    if (this.#ended || this.#overBudget(spent, now)) return -1;
    return this.#environment.scheduler.turnIsOver(now) ? 0 : this.#time.grant(now);
  }

  /** Accounts `spent` to the call or start function that runs; ends the guest when its time is up. */
  #overBudget(spent: number, now: number): boolean {
    const { name, limits } = this.#environment;
    const ticket = this.#ticket;
    if (ticket) {
      ticket.cpuNs += spent;
      if (ticket.cpuNs > limits.cpuMs * 1e6) {
        this.discard(fail("GUEST_CPU_EXCEEDED", name, ticket.call.operation, limits.cpuMs));
      } else if (now >= ticket.call.deadline) {
        this.discard(this.#late());
      }
    } else if (this.#starting?.spend(spent, now)) {
      this.discard(this.#late());
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
    if (!this.#ticket || this.#ticket.cpuNs >= scheduler.sliceMs * 1e6) this.#owner.yielded(this);
    return promise;
  }

  #respin(): void {
    if (this.#ended) return;
    const resume = this.#resume!;
    this.#resume = undefined;
    this.#state = this.#starting ? "starting" : "running";
    resume(this.#time.grant(Number.NaN));
  }

  // --- Beginning and end --------------------------------------------------------------------------

  /** Calls of the host before the loop begins; what is not answered fails the start. */
  async #introduce(starting: GuestStart, introduce: Introduce, guestCall: Function): Promise<void> {
    const { name } = this.#environment;
    try {
      await introduce(async (operation, payload) => {
        const encoded = new TextEncoder().encode(operation);
        this.#exchange.begin(encoded, payload);
        const rc = await this.#runEntry(starting, operation, guestCall, encoded.length, payload.length);
        const outcome = this.#exchange.outcome(rc, name, operation);
        if (outcome instanceof Uint8Array) return outcome;
        throw outcome;
      });
    } catch (error) {
      this.#end();
      this.#finish();
      throw failFrom(error, "GUEST_START_FAILED", name, starting.entry, describe(error));
    }
  }

  /** What the function returns; 0 for one that ended itself well. */
  async #runEntry(starting: GuestStart, entry: string, exported: Function, ...parameters: number[]): Promise<number> {
    const { name, module } = this.#environment;
    starting.enter(entry);
    let returned: number;
    try {
      returned = Number(await WebAssembly.promising(exported)(...parameters));
    } catch (error) {
      // Code 0 there means "initialised", and the instance stays usable.
      if (this.#exitCode === 0 && !this.#ended) {
        this.#exitCode = undefined;
        return 0;
      }
      const why = this.#exitCode === undefined ? describeTrap(error, module) : `it exited with code ${this.#exitCode}`;
      this.#end();
      this.#finish();
      throw starting.failure ?? starting.failed(why);
    } finally {
      this.#wasi.flush();
    }
    // Discarded while it ran, and it returned before its next check.
    if (this.#ended) {
      this.#finish();
      throw starting.failure ?? fail("STOPPED", name);
    }
    return returned;
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
    this.buffer = nothing.buffer;
    this.words = noWords;
    this.#time.close();
    this.#resume = undefined;
    this.#pending = undefined;
  }

  #late(): LatticeError {
    const { name } = this.#environment;
    if (this.#starting) return this.#starting.late();
    const { call, since } = this.#ticket!;
    return fail("DEADLINE_EXCEEDED", `${call.operation} of ${name}`, Math.round(call.deadline - since));
  }
}
