import {
  type Asker,
  fail,
  failFrom,
  type Hellos,
  isLatticeError,
  type RpcForm,
  type Subjects,
  tell,
  type VerifiedInvocation,
  type WireEntity,
} from "../../lattice/index.ts";
import { graceMs } from "../deadlines.ts";
import { notBegun } from "../not-begun.ts";
import { type Candidate, pick } from "./candidates.ts";
import { originEntity } from "./entities.ts";
import type { CallForm, CallTime, RemoteCounts } from "./figures.ts";
import { Outstanding } from "./outstanding.ts";
import type { PeerHost } from "./peers.ts";
import type { SessionCalls } from "./session-calls.ts";
import type { SignedCalls } from "./signed-calls.ts";

export interface DirectCallsOptions {
  readonly subjects: Subjects;
  readonly signed: SignedCalls;
  readonly sessions: SessionCalls;
  readonly hellos: Hellos;
  readonly counts: RemoteCounts;
  /** Longest wait for an answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** What is done when no host that was asked has begun the call: `refusal` is why the last one did not. */
export type Otherwise = (refusal: unknown) => Promise<Uint8Array>;

/** How long the last answers of a host that left in order may be on their way, in milliseconds. */
const lastAnswersMs = 3_000;

/** Hosts that are asked for one call. */
const maxHosts = 2;

interface Attempt {
  readonly candidates: readonly Candidate[];
  readonly invocation: VerifiedInvocation;
  readonly target: WireEntity;
  readonly asker: Asker<Uint8Array>;
  readonly otherwise: Otherwise;
  /** Hosts that were asked before. */
  readonly asked: number;
}

/**
 * Calls directed to hosts of ours that announce what is meant. A call that may have begun is never
 * sent again. As few promises as can be: they are most of what a small call costs here.
 */
export class DirectCalls {
  readonly #options: DirectCallsOptions;
  readonly #outstanding: Outstanding;
  #turn = 0;

  constructor(options: DirectCallsOptions) {
    this.#options = options;
    this.#outstanding = new Outstanding((time) => options.counts.settle(time));
  }

  /** Calls of this engine that a host has not answered yet. */
  count(host: string): number {
    return this.#outstanding.count(host);
  }

  /**
   * Asks one of the hosts, and another one when the first has certainly not begun. `asker` is told, later than
   * this returns. @throws LatticeError what is known at once, and what `otherwise` throws then.
   */
  ask(
    candidates: readonly Candidate[],
    invocation: VerifiedInvocation,
    target: WireEntity,
    asker: Asker<Uint8Array>,
    otherwise: Otherwise,
  ): void {
    this.#next({ candidates, invocation, target, asker, otherwise, asked: 0 }, undefined);
  }

  /** A host is gone: what waits for it fails; of one that left in order the last answers are on their way. */
  hostGone({ host, name }: PeerHost, orderly: boolean): void {
    const lost = () => fail("HOST_LOST", name);
    if (orderly) this.#outstanding.leaving(host, lost, lastAnswersMs);
    else this.#outstanding.lost(host, lost);
    this.#options.sessions.forget(host);
  }

  /** A host that is here is another process than before: what waits for the one before fails. */
  hostRestarted({ host, name }: PeerHost): void {
    const moment = this.#options.hellos.restartedAt(host);
    if (moment !== undefined) this.#outstanding.lostBefore(host, moment, () => fail("HOST_LOST", name));
  }

  /** Engines of a host are gone: what waits for one of them fails. */
  placesGone({ host, name }: PeerHost, places: readonly string[]): void {
    for (const place of places)
      this.#outstanding.lost(host, () => fail("ENGINE_LOST", `${place} of host ${name}`), place);
  }

  stop(): void {
    this.#outstanding.stop(() => fail("STOPPED", "the host"));
  }

  /** In the wasmCloud form, to a subject that many may listen on. */
  async signed(subject: string, invocation: VerifiedInvocation, target: WireEntity): Promise<Uint8Array> {
    const time = this.#begin("wasmcloud", invocation);
    try {
      const answer = await this.#sendSigned(subject, invocation, target, time);
      this.#options.counts.settle(time);
      return answer;
    } catch (error) {
      throw this.#failed(error, invocation, time);
    }
  }

  #next(attempt: Attempt, refusal: unknown): void {
    const chosen = attempt.asked < maxHosts ? pick(attempt.candidates) : undefined;
    if (!chosen) return tell(attempt.otherwise(refusal), attempt.asker);
    const { peer } = chosen;
    const { places } = peer;
    // Engines before the caller's thread, each in turn: whichever is asked knows its neighbours.
    const engines = places.length - (places.includes("c") ? 1 : 0);
    const first = this.#place(places, engines, this.#turn++);
    this.#send(attempt, peer, first, (error) => {
      if (!isCode(error, "NO_RESPONDERS") || first === "c") return this.#another(attempt, peer, error);
      // An engine on its way back: its neighbours know the way too.
      const second = engines > 1 ? this.#place(places, engines, this.#turn++) : "c";
      this.#send(attempt, peer, second, (again) => this.#another(attempt, peer, again));
    });
  }

  /** @throws the error, when the call may have begun or nobody else can be asked. */
  #another(attempt: Attempt, peer: PeerHost, error: unknown): void {
    const side = attempt.invocation.target.kind === "actor" ? "actor" : "provider";
    if (!isLatticeError(error) || !notBegun[side].has(error.code)) throw error;
    const candidates = attempt.candidates.filter((each) => each.peer !== peer);
    this.#next({ ...attempt, candidates, asked: attempt.asked + 1 }, error);
  }

  #place(places: readonly string[], engines: number, turn: number): string {
    if (engines === 0) return "c";
    let left = turn % engines;
    for (const place of places) if (place !== "c" && left-- === 0) return place;
    return "c";
  }

  /** @throws what `otherwise` throws, when it cannot be sent. */
  #send(
    { invocation, target, asker }: Attempt,
    peer: PeerHost,
    place: string,
    otherwise: (error: unknown) => void,
  ): void {
    const { sessions, subjects } = this.#options;
    let form: CallForm;
    let time: CallTime;
    try {
      form = this.#formOf(peer);
      time = this.#begin(form, invocation);
    } catch (error) {
      return otherwise(error);
    }
    const open = this.#outstanding.wait(peer.host, place, time, asker, (error) =>
      otherwise(this.#failed(error, invocation, time)),
    );
    try {
      if (form === "session") return sessions.ask(peer, place, invocation, target, time, open);
      const subject = subjects.write("directed", { host: peer.host, place });
      tell(this.#sendSigned(subject, invocation, target, time), open);
    } catch (error) {
      // Nobody is told before this returns: a guest that asks does not wait yet.
      open.withdraw();
      otherwise(this.#failed(error, invocation, time));
    }
  }

  #sendSigned(
    subject: string,
    { origin, operation, payload, hops, trace }: VerifiedInvocation,
    target: WireEntity,
    time: CallTime,
  ): Promise<Uint8Array> {
    const call = { origin: originEntity(origin), target, operation, payload, hops, trace };
    return this.#options.signed.ask(subject, call, time);
  }

  #formOf(peer: PeerHost): CallForm {
    this.#meet(peer);
    const chosen: RpcForm = this.#options.hellos.formFor(peer.host);
    if (chosen.form === "none") throw fail("SESSION_REFUSED", peer.name, chosen.why);
    return chosen.form;
  }

  /** A host that was started again may have called us before it has announced itself anew: its later hello stands. */
  #meet({ host, hello }: PeerHost): void {
    const { hellos } = this.#options;
    try {
      hellos.accept(hello);
    } catch (error) {
      if (!hellos.get(host)) throw error;
    }
  }

  #begin(form: CallForm, { deadline, operation }: VerifiedInvocation): CallTime {
    const { counts, timeoutMs } = this.#options;
    const begunAt = performance.now();
    const left = deadline - begunAt;
    if (left < 1) throw fail("DEADLINE_EXCEEDED", operation, 0);
    counts.sent[form]++;
    const budgetMs = Math.floor(Math.min(left, timeoutMs));
    // A guest meets its own deadline first; the answer of its host call would only be another end.
    return { begunAt, form, budgetMs, timeoutMs: Math.min(budgetMs + graceMs, timeoutMs) };
  }

  /** Whose time was over: the caller's own, or that of calls between hosts. */
  #failed(error: unknown, { operation }: VerifiedInvocation, time: CallTime): unknown {
    const { counts, timeoutMs } = this.#options;
    const { form, budgetMs } = time;
    counts.failed[form]++;
    counts.settle(time);
    if (!isCode(error, "RPC_TIMEOUT")) return error;
    const what = `${operation} on another host`;
    return failFrom(error, budgetMs < Math.floor(timeoutMs) ? "DEADLINE_EXCEEDED" : "RPC_TIMEOUT", what, budgetMs);
  }
}

export function isCode(error: unknown, code: string): boolean {
  return isLatticeError(error) && error.code === code;
}
