import type { LatticeError } from "../lattice/index.ts";
import type { CallSites } from "./call-sites.ts";
import type { FuelRate } from "./fuel-rate.ts";
import type { Guest } from "./guest.ts";
import type { GuestCall, GuestHost, Introduce, Waiter } from "./guest-host.ts";
import type { PoolLimits } from "./limits.ts";
import type { PreparedModule } from "./prepared.ts";
import type { Scheduler } from "./scheduler.ts";

/** A call on its way through a pool: admitted, perhaps waiting, given to one guest, settled once. */
export interface Ticket {
  readonly call: GuestCall;
  /** The operation in UTF-8. */
  readonly operation: Uint8Array;
  readonly waiter: Waiter;
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
  readonly introduce: Introduce | undefined;
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
  /** The guest waits in the middle of a call, for an answer. */
  suspended(guest: Guest): void;
  /** The guest waits in the middle of a call, since its turn is over. */
  yielded(guest: Guest): void;
  answer(ticket: Ticket, reply: Uint8Array): void;
  refuse(ticket: Ticket, error: LatticeError): void;
  /** The guest takes no more calls. */
  ended(guest: Guest, trapped: boolean): void;
  /** CPU time that guests of the pool have used. */
  used(ns: number): void;
}
