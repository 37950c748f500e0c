import { isLatticeError, type VerifiedInvocation } from "../lattice/index.ts";
import { type Course, shown as rounded, timeAway, timeGuest, type WhyRemote } from "./course.ts";

/** Whose calls somebody wants to see, and whether with what they carry. */
export interface SpyWish {
  /** M key; calls of it and to it. Absent: every call. */
  readonly actor?: string;
  readonly payload: boolean;
}

/** One call of or to an actor, as the engine saw it into which it came. */
export interface SpiedCall extends Readonly<Course> {
  /** Milliseconds since 1970, when it began. */
  readonly at: number;
  readonly from: {
    readonly kind: "actor" | "provider" | "operator";
    readonly key: string;
    readonly name?: string;
    /** Of a provider. */
    readonly contractId?: string;
    readonly linkName?: string;
  };
  readonly to:
    | { readonly kind: "actor"; readonly key: string }
    | { readonly kind: "contract"; readonly contractId: string; readonly linkName: string };
  readonly operation: string;
  readonly bytes: number;
  /** Absent when it failed. */
  readonly replyBytes?: number;
  readonly ms: number;
  /** Why it failed. */
  readonly code?: string;
  /** `sent`: another host answers. `received`: another host asks. */
  readonly way: "local" | "sent" | "received";
  /** N key of the host that asks. */
  readonly peer?: string;
  /** The first bytes, for who asked for them. */
  readonly payload?: Uint8Array;
  readonly reply?: Uint8Array;
}

export interface SpyBatch {
  readonly calls: readonly SpiedCall[];
  /** Calls that came faster than they could be told. */
  readonly missed: number;
}

/** Bytes of a payload or a reply that are told. */
const shownBytes = 1_024;
/** Calls told at once; of more only the number. */
const mostCalls = 500;
const everyMs = 20;
/** What portable providers and old actors are told of their links: values may be secrets. Source: waPC and actors reference, section 13. */
const linkOperations: ReadonlySet<string> = new Set(["BindActor", "Configure", "RemoveActor"]);

/** Watches the calls of one engine while somebody wants to see them. */
export class Spy {
  readonly #wishes: ReadonlyMap<string, SpyWish>;
  readonly #every: readonly SpyWish[];
  readonly #send: (batch: SpyBatch) => void;
  readonly #courses = new WeakMap<VerifiedInvocation, Course>();
  #waiting: SpiedCall[] = [];
  #missed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(wishes: readonly SpyWish[], send: (batch: SpyBatch) => void) {
    this.#send = send;
    const all = new Map<string, SpyWish>();
    this.#every = wishes.filter(({ actor }) => actor === undefined);
    for (const { actor, payload } of wishes)
      if (actor !== undefined) all.set(actor, { actor, payload: payload || (all.get(actor)?.payload ?? false) });
    this.#wishes = all;
  }

  /** Lets a call run and tells how it went, when it is one of those that are watched. */
  watch(invocation: VerifiedInvocation, run: () => Uint8Array | Promise<Uint8Array>): Uint8Array | Promise<Uint8Array> {
    const ends = [invocation.origin, invocation.target].flatMap((end) =>
      end.kind === "actor" ? (this.#wishes.get(end.key) ?? []) : [],
    );
    const wishes = [...this.#every, ...ends];
    if (wishes.length === 0) return run();
    const shown = wishes.some(({ payload }) => payload) && !linkOperations.has(invocation.operation);
    const at = Date.now();
    const since = performance.now();
    const course: Course = {};
    this.#courses.set(invocation, course);
    const asked = shown ? invocation.payload.slice(0, shownBytes) : undefined;
    const tell = (reply: Uint8Array | undefined, error?: unknown) => {
      this.#add({
        ...endsOf(invocation),
        at,
        bytes: invocation.payload.byteLength,
        ms: rounded(performance.now() - since),
        way: invocation.from !== undefined ? "received" : course.whyRemote ? "sent" : "local",
        ...course,
        ...(reply ? { replyBytes: reply.byteLength } : { code: isLatticeError(error) ? error.code : "INTERNAL" }),
        ...(asked ? { payload: asked } : {}),
        ...(shown && reply ? { reply: reply.slice(0, shownBytes) } : {}),
      });
    };
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      answer = run();
    } catch (error) {
      tell(undefined, error);
      throw error;
    }
    if (answer instanceof Uint8Array) tell(answer);
    else
      answer.then(
        (reply) => tell(reply),
        (error: unknown) => tell(undefined, error),
      );
    return answer;
  }

  /** What is noted of a call that is watched. */
  courseOf(invocation: VerifiedInvocation): Course | undefined {
    return this.#courses.get(invocation);
  }

  /** Notes in `course` what becomes here of a call that another engine watches. */
  follow(invocation: VerifiedInvocation, course: Course): void {
    this.#courses.set(invocation, course);
  }

  /** A guest answers this call. */
  toGuest(invocation: VerifiedInvocation, call: (begun?: () => void) => Promise<Uint8Array>): Promise<Uint8Array> {
    const course = this.#courses.get(invocation);
    return course ? timeGuest(course, call) : call();
  }

  /** Another host answers this call. */
  goesAway(invocation: VerifiedInvocation, why: WhyRemote, send: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const course = this.#courses.get(invocation);
    if (!course) return send();
    course.whyRemote = why;
    return timeAway(course, send);
  }

  /** Tells what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [calls, missed] = [this.#waiting, this.#missed];
    [this.#waiting, this.#missed] = [[], 0];
    if (calls.length > 0 || missed > 0) this.#send({ calls, missed });
  }

  #add(call: SpiedCall): void {
    if (this.#waiting.length >= mostCalls) this.#missed++;
    else this.#waiting.push(call);
    this.#timer ??= setTimeout(() => this.flush(), everyMs).unref();
  }
}

function endsOf({
  origin,
  target,
  operation,
  from,
}: VerifiedInvocation): Pick<SpiedCall, "from" | "to" | "operation" | "peer"> {
  return {
    from:
      origin.kind === "operator"
        ? { kind: origin.kind, key: origin.name }
        : origin.kind === "actor"
          ? { kind: origin.kind, key: origin.key, name: origin.name }
          : { kind: origin.kind, key: origin.key, contractId: origin.contractId, linkName: origin.linkName },
    to:
      target.kind === "actor"
        ? { kind: target.kind, key: target.key }
        : { kind: target.kind, contractId: target.contractId, linkName: target.linkName },
    operation,
    ...(from === undefined ? {} : { peer: from }),
  };
}
