import { fail, isLatticeError, type LatticeError } from "../lattice/index.ts";
import { CallQueue } from "./call-queue.ts";
import { CallSites } from "./call-sites.ts";
import type { Census } from "./census.ts";
import { FuelRate } from "./fuel-rate.ts";
import { Guest } from "./guest.ts";
import type { GuestCall, GuestHost, Introduce, Waiter } from "./guest-host.ts";
import type { GuestEnvironment, GuestOwner, Ticket } from "./guest-owner.ts";
import { type GuestLimits, guestLimits, type PoolLimits } from "./limits.ts";
import { OperationNames } from "./operation-names.ts";
import type { PreparedModule } from "./prepared.ts";
import type { Scheduler, Watched } from "./scheduler.ts";

export interface PoolOptions {
  readonly module: PreparedModule;
  readonly host: GuestHost;
  readonly limits?: Partial<GuestLimits>;
  readonly scheduler: Scheduler;
  readonly census: Census;
  /** The actor, for errors. */
  readonly name: string;
  /**
   * One instance for all calls, nested ones too, for a guest that keeps what it knows in its memory.
   * It is told so anew each time it has to be made again.
   */
  readonly single?: { readonly introduce: Introduce };
  /** Told, once a second at most, that an instance beside others cannot be made; calls then wait for those. */
  readonly onStartFailed?: (error: LatticeError) => void;
}

/** Figures of one pool at one moment; counters since it began. */
export interface PoolStats {
  readonly instances: number;
  readonly busy: number;
  readonly waiting: number;
  /** Calls admitted. */
  readonly calls: number;
  /** Calls that failed, refused ones included. */
  readonly errors: number;
  /** Instances lost to traps and limits. */
  readonly traps: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
  /** Time that calls waited for an instance, all together; exact to some 10 ms each. */
  readonly queueMs: number;
}

/** Pause after an instance failed to start while others live; a nested call waits for one as long at least. */
const restartMs = 1_000;

/** A promise's two functions, without a closure per promise. */
let waiter: Waiter;
const capture = (answered: Waiter["answered"], failed: Waiter["failed"]): void => {
  waiter = { answered, failed };
};

/**
 * The instances of one actor in one engine, and the calls that wait for them.
 *
 * One thread runs one guest at a time, so a second instance helps only while the first one waits.
 * A call therefore wakes one idle instance (the last one used, whose memory is warm) and later calls
 * queue behind it; when that instance suspends and calls still wait, the next one is woken, or made.
 * A guest that finishes takes its next call without suspending.
 *
 * A call may begin while fewer instances are busy than the maximum plus its hops, so nested calls may
 * make an instance more for each hop before them. Of the instances a call can have, calls of lesser
 * depth never hold all; so actors that call themselves, or each other in a circle, do not wait for
 * each other for ever. Where no instance can be made, a nested call fails after a while instead.
 */
export class Pool implements GuestOwner, Watched {
  readonly name: string;
  readonly #environment: GuestEnvironment;
  readonly #scheduler: Scheduler;
  readonly #census: Census;
  readonly #single: boolean;
  readonly #onStartFailed: PoolOptions["onStartFailed"];
  #limits: PoolLimits;
  readonly #guests = new Set<Guest>();
  /** Ended or failed, their coroutine not yet gone. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #idle: Guest[] = [];
  readonly #queue = new CallQueue<Ticket>();
  readonly #operations = new OperationNames();
  /** Woken and not suspended since: it will look at the queue by itself. */
  #runner: Guest | undefined;
  #starting = 0;
  #parked = 0;
  #waitsForTurn = false;
  #watched = false;
  #state: "open" | "draining" | "stopped" = "open";
  /** Admitted and not settled. */
  #outstanding = 0;
  /** Given to a guest and not settled. */
  #busy = 0;
  #calls = 0;
  #errors = 0;
  #traps = 0;
  #cpuNs = 0;
  #queueMs = 0;
  #restartAt = 0;
  #onDrained: (() => void)[] = [];
  #idleTimer: NodeJS.Timeout | undefined;

  constructor({ module, host, limits, scheduler, census, name, single, onStartFailed }: PoolOptions) {
    this.name = name;
    this.#limits = guestLimits(single ? { ...limits, instances: 1 } : limits);
    this.#single = single !== undefined;
    this.#onStartFailed = onStartFailed;
    this.#scheduler = scheduler;
    this.#census = census;
    this.#environment = {
      module,
      host,
      limits: this.#limits,
      scheduler,
      name,
      sites: new CallSites(),
      rate: new FuelRate(),
      introduce: single?.introduce,
    };
  }

  /** Calls inside: being answered and waiting. What a chooser between pools compares. */
  get pressure(): number {
    return this.#outstanding;
  }

  /**
   * Makes one instance, unless there is one, and runs its start functions.
   * @throws LatticeError GUEST_START_FAILED, INSTANCE_LIMIT, STOPPED.
   */
  async warm(): Promise<void> {
    if (this.#state !== "open") throw this.#closed();
    if (this.#guests.size === 0) await this.#start();
  }

  /**
   * One call. `payload` is borrowed until the promise settles; the reply is the caller's (it may lie
   * in a slab with others, see `copyReply`). `begun` is told when a guest begins.
   * @throws LatticeError GUEST_FAILED, GUEST_TRAPPED, GUEST_CPU_EXCEEDED, GUEST_MISBEHAVED,
   * GUEST_START_FAILED, DEADLINE_EXCEEDED, QUEUE_FULL, INSTANCE_LIMIT, PAYLOAD_TOO_LARGE, DRAINING, STOPPED.
   */
  call(call: GuestCall, begun?: () => void): Promise<Uint8Array> {
    const promise = new Promise<Uint8Array>(capture);
    try {
      this.submit(call, begun ? { ...waiter, begun } : waiter);
    } catch (error) {
      waiter.failed(error);
    }
    return promise;
  }

  /**
   * `call` without a promise, which costs as much as a small call itself: the waiter is told, never
   * before this returns.
   * @throws LatticeError when the call is refused at once; the waiter is not told then.
   */
  submit(call: GuestCall, waiter: Waiter): void {
    if (!this.#watched) this.#watch();
    if (!call.aside) this.#calls++;
    this.#scheduler.arrivals++;
    const refusal = this.#refusal(call);
    if (refusal) {
      if (!call.aside) this.#errors++;
      throw refusal;
    }
    this.#outstanding++;
    const ticket: Ticket = {
      call,
      operation: this.#operations.encode(call.operation),
      waiter,
      since: this.#scheduler.coarseNow,
      cpuNs: 0,
    };
    const free =
      !this.#runner && this.#parked === 0 && this.#busy < this.#limits.instances + (this.#single ? 0 : call.hops);
    const guest = free && this.#queue.length === 0 ? this.#idle.pop() : undefined;
    if (guest) {
      this.#runner = guest;
      this.#busy++;
      guest.offer(ticket);
    } else {
      this.#queue.push(ticket);
      this.#pump();
    }
  }

  /** New bounds for the number of instances; surplus idle ones are released at once. */
  resize({ max, min }: { readonly max?: number; readonly min?: number }): void {
    this.#limits = {
      ...this.#limits,
      instances: max ?? this.#limits.instances,
      minInstances: min ?? this.#limits.minInstances,
    };
    while (this.#idle.length > 0 && this.#guests.size > this.#limits.instances) this.#release(this.#idle.shift()!);
    this.#pump();
  }

  /**
   * Takes no more calls but nested ones of those inside; resolves when all are answered, or after
   * `deadlineMs`, with what is left still running.
   */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state === "open") this.#state = "draining";
    if (this.#outstanding === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
      this.#onDrained.push(resolve);
    });
    clearTimeout(timer);
  }

  /** Ends every call with STOPPED and every instance. Resolves when their stacks are free. May be called twice. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    for (const ticket of this.#queue.clear()) this.#reject(ticket, fail("STOPPED", this.name));
    for (const guest of this.#guests) guest.discard(fail("STOPPED", this.name), false);
    await Promise.all(this.#leaving);
  }

  stats(): PoolStats {
    let memoryBytes = 0;
    for (const guest of this.#guests) memoryBytes += guest.memoryBytes;
    return {
      instances: this.#guests.size,
      busy: this.#busy,
      waiting: this.#queue.length,
      calls: this.#calls,
      errors: this.#errors,
      traps: this.#traps,
      cpuMs: this.#cpuNs / 1e6,
      memoryBytes,
      queueMs: this.#queueMs,
    };
  }

  // --- Watched: deadlines ---------------------------------------------------------------------------

  sweep(now: number): boolean {
    for (const ticket of this.#queue.expired(now)) {
      const { operation, deadline } = ticket.call;
      this.#reject(
        ticket,
        fail("DEADLINE_EXCEEDED", `${operation} of ${this.name}`, Math.round(deadline - ticket.since)),
      );
    }
    for (const guest of this.#guests) guest.sweep(now);
    this.#pump();
    this.#watched = this.#outstanding > 0 || this.#starting > 0;
    return this.#watched;
  }

  // --- GuestOwner: what guests tell ------------------------------------------------------------------

  take(guest: Guest): Ticket | undefined {
    const ticket = this.#queue.shift(this.#leastHops());
    if (!ticket) return undefined;
    this.#busy++;
    this.#runner ??= guest;
    this.#queueMs += this.#scheduler.coarseNow - ticket.since;
    return ticket;
  }

  rested(guest: Guest): void {
    if (this.#runner === guest) this.#runner = undefined;
    if (this.#state === "stopped") return;
    guest.idleSince = this.#scheduler.coarseNow;
    this.#idle.push(guest);
    if (this.#queue.length > 0) this.#pump();
    else if (!this.#idleTimer && this.#guests.size > this.#limits.minInstances) this.#watchIdle();
  }

  parked(guest: Guest): void {
    if (this.#runner === guest) this.#runner = undefined;
    this.#parked++;
  }

  unparked(_guest: Guest): void {
    this.#parked--;
  }

  suspended(guest: Guest): void {
    if (this.#runner === guest) this.#runner = undefined;
    if (this.#queue.length > 0) this.#pump();
  }

  yielded(guest: Guest): void {
    if (this.#runner === guest) this.#runner = undefined;
    this.#pumpNextTurn();
  }

  answer(ticket: Ticket, reply: Uint8Array): void {
    this.#busy--;
    if (--this.#outstanding === 0) this.#drained();
    ticket.waiter.answered(reply);
  }

  refuse(ticket: Ticket, error: LatticeError): void {
    this.#busy--;
    this.#reject(ticket, error);
  }

  ended(guest: Guest, trapped: boolean): void {
    if (trapped) this.#traps++;
    this.#guests.delete(guest);
    const place = this.#idle.indexOf(guest);
    if (place >= 0) this.#idle.splice(place, 1);
    if (this.#runner === guest) this.#runner = undefined;
    // Not at once: the guest may be ending below us on the stack, and those behind it may all end so.
    if (this.#queue.length > 0) this.#pumpNextTurn();
  }

  used(ns: number): void {
    this.#cpuNs += ns;
  }

  // --- Instances -----------------------------------------------------------------------------------

  /** A call may begin only when it has come at least this many hops. */
  #leastHops(): number {
    const over = this.#busy - this.#limits.instances + 1;
    if (over <= 0) return 0;
    if (this.#single) return Number.POSITIVE_INFINITY;
    const { deepest } = this.#queue;
    // After the maximum was lowered, calls of lesser depth may hold all, waiting for the deepest.
    return deepest === 0 || deepest >= over ? over : Math.min(over, this.#deepestBusy() + 1);
  }

  #deepestBusy(): number {
    let deepest = 0;
    for (const { call } of this.#guests) if (call && call.hops > deepest) deepest = call.hops;
    return deepest;
  }

  /**
   * Wakes or makes an instance when calls wait that may begin and nobody is about to take them.
   * `ownTurn`: this turn of the event loop is ours to make one.
   */
  #pump(ownTurn = false): void {
    if (this.#queue.length === 0 || this.#runner || this.#parked > 0 || this.#state === "stopped") return;
    const least = this.#leastHops();
    if (least > 0 && this.#queue.deepest < least) return;
    const guest = this.#idle.pop();
    if (guest) {
      guest.offer(this.take(guest)!);
      return;
    }
    if (this.#starting > 0 || this.#restartAt > this.#scheduler.coarseNow) return;
    // An instance runs unseen until its first check, so many that begin and end would hold the thread.
    if (!ownTurn && this.#scheduler.turnIsOver(performance.now())) {
      this.#pumpLater((resume) => this.#scheduler.spin(resume), true);
      return;
    }
    this.#start().catch((error: unknown) => this.#startFailed(error));
  }

  /** Wakes the next guest in the next turn of the event loop, since this turn's share is used up. */
  #pumpNextTurn(): void {
    this.#pumpLater((resume) => this.#scheduler.rest(resume), false);
  }

  /** Until then no other guest of the pool begins, not even for calls that come in. */
  #pumpLater(wait: (resume: () => void) => void, ownTurn: boolean): void {
    if (this.#waitsForTurn || this.#state === "stopped") return;
    this.#waitsForTurn = true;
    this.#parked++;
    wait(() => {
      this.#waitsForTurn = false;
      this.#parked--;
      this.#pump(ownTurn);
    });
  }

  /** Makes one instance; when it is ready it takes a call by itself. */
  async #start(): Promise<void> {
    this.#census.take();
    this.#starting++;
    if (!this.#watched) this.#watch();
    const guest = new Guest(this.#environment, this);
    this.#guests.add(guest);
    // Not on this stack: it may be that of another guest's host call.
    const started = Promise.resolve().then(() => guest.start());
    const gone = started
      .then(() => guest.finished)
      .catch(() => undefined)
      .finally(() => {
        this.#census.release();
        this.#leaving.delete(gone);
      });
    this.#leaving.add(gone);
    try {
      await started;
    } finally {
      this.#starting--;
    }
    this.#pump();
  }

  /**
   * Without any instance the waiting calls fail with the reason. With some they wait for those, but a
   * nested call not for long: it may be what all of those wait for.
   */
  #startFailed(error: unknown): void {
    const reason = isLatticeError(error)
      ? error
      : fail("GUEST_START_FAILED", this.name, "instantiation", String(error));
    const now = this.#scheduler.coarseNow;
    const alone = this.#guests.size === 0;
    this.#restartAt = alone ? 0 : now + restartMs;
    const hopeless = ({ call, since }: Ticket) => alone || (call.hops > 0 && now - since >= restartMs);
    for (const ticket of this.#queue.remove(hopeless)) this.#reject(ticket, reason);
    if (!alone) this.#onStartFailed?.(reason);
  }

  #release(guest: Guest): void {
    guest.discard(fail("STOPPED", this.name), false);
  }

  /** Releases what rests too long, the longest resting first, down to the minimum. */
  #watchIdle(): void {
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = undefined;
      const before = performance.now() - this.#limits.idleMs;
      // Guests leave the list as they are released; those at its end were used last.
      while (this.#idle.length > 0 && this.#guests.size > this.#limits.minInstances) {
        if (this.#idle[0]!.idleSince > before) break;
        this.#release(this.#idle[0]!);
      }
      if (this.#idle.length > 0 && this.#guests.size > this.#limits.minInstances) this.#watchIdle();
    }, this.#limits.idleMs).unref();
  }

  // --- Admission -----------------------------------------------------------------------------------

  #refusal(call: GuestCall): LatticeError | undefined {
    const { payloadBytes, queue, instances } = this.#limits;
    if (this.#state !== "open" && (this.#state === "stopped" || call.hops === 0 || this.#outstanding === 0)) {
      return this.#closed();
    }
    if (call.payload.length > payloadBytes) {
      return fail("PAYLOAD_TOO_LARGE", `the payload of ${call.operation}`, call.payload.length, payloadBytes);
    }
    if (call.deadline <= this.#scheduler.coarseNow)
      return fail("DEADLINE_EXCEEDED", `${call.operation} of ${this.name}`, 0);
    if (call.operation === "") return fail("OPERATION_UNKNOWN", this.name, '""');
    if (this.#outstanding >= instances + queue + call.hops) return fail("QUEUE_FULL", this.name, this.#queue.length);
    return undefined;
  }

  #reject(ticket: Ticket, error: LatticeError): void {
    if (!ticket.call.aside) this.#errors++;
    if (--this.#outstanding === 0) this.#drained();
    ticket.waiter.failed(error);
  }

  #closed(): LatticeError {
    return this.#state === "draining" ? fail("DRAINING", this.name) : fail("STOPPED", this.name);
  }

  #watch(): void {
    this.#watched = true;
    this.#scheduler.watch(this);
  }

  #drained(): void {
    if (this.#onDrained.length === 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}
