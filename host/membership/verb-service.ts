import {
  type Bus,
  type BusHeaders,
  type BusMessage,
  describe,
  fail,
  failFrom,
  isLatticeError,
  LongReplies,
  nuid,
  type Subjects,
  type Subscription,
} from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import { findVerb, type Verbs } from "../verb-table.ts";
import { jobHeader, type Jobs } from "./jobs.ts";
import type { Refusals } from "./refusals.ts";

/** The last answer of a stream, and the only one of other verbs. */
export const endHeader = "Lattice-End";

/** Stands on messages of a stream that only ask whether somebody listens; they need no answer. */
export const aliveHeader = "Lattice-Alive";

const stillThere: BusHeaders = new Map([[aliveHeader, ["1"]]]);
const ended: BusHeaders = new Map([[endHeader, ["1"]]]);
/** Streams at once; a client that goes without a word leaves one behind until it is found out. */
const mostStreams = 256;
/** How often a stream finds out whether somebody still listens. */
const patienceMs = 15_000;

/**
 * The verbs of the control socket, asked over the lattice: JSON parameters in, the socket's JSON out.
 * A stream answers many times, the last time with the header `Lattice-End`.
 */
export class VerbService {
  readonly #host: Host;
  readonly #verbs: Verbs;
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #jobs: Jobs;
  readonly #refusals: Refusals;
  readonly #streams = new Set<AbortController>();
  readonly #replies: LongReplies;
  #subscription: Subscription | undefined;

  constructor(host: Host, verbs: Verbs, bus: Bus, subjects: Subjects, jobs: Jobs, refusals: Refusals) {
    this.#host = host;
    this.#verbs = verbs;
    this.#bus = bus;
    this.#subjects = subjects;
    this.#jobs = jobs;
    this.#refusals = refusals;
    this.#replies = new LongReplies(bus);
  }

  start(): void {
    const pattern = this.#subjects.pattern("verb", { host: this.#host.id });
    this.#subscription = this.#bus.subscribe(pattern, (message) => this.#serve(message));
  }

  /** Ends what goes on. */
  stop(): void {
    this.#subscription?.unsubscribe();
    for (const stream of this.#streams) stream.abort();
  }

  async #serve(message: BusMessage): Promise<void> {
    const subject = this.#subjects.parse(message.subject);
    if (subject?.kind !== "verb") return;
    const controller = new AbortController();
    try {
      const verb = findVerb(this.#verbs, subject.verb);
      const { ctl } = this.#host.config.membership;
      if (ctl !== "full" && !verb.reads) throw fail("CONTROL_REFUSED", this.#host.name, subject.verb);
      const params = parsed(subject.verb, message.payload);
      const work = () => verb.run(params, { signal: controller.signal, from: "lattice" });
      if (message.headers.has(jobHeader)) {
        const job = this.#jobs.begin(subject.verb, work);
        return this.#reply(message, { success: true, job }, ended);
      }
      const answer = await work();
      if (isStream(answer)) await this.#stream(answer, message, controller);
      else this.#reply(message, { success: true, ...answer }, ended);
    } catch (error) {
      this.#fail(message, subject.verb, error);
    }
  }

  async #stream(source: AsyncIterable<object>, message: BusMessage, controller: AbortController): Promise<void> {
    const { reply } = message;
    if (reply === undefined) return;
    if (this.#streams.size >= mostStreams) throw fail("QUEUE_FULL", "the host's control interface", mostStreams);
    this.#streams.add(controller);
    // Whoever has heard enough answers any part.
    const enough = `_INBOX.${nuid()}`;
    const end = this.#bus.subscribe(enough, () => controller.abort());
    const alive = setInterval(() => void this.#findOut(reply, controller), patienceMs).unref();
    try {
      for await (const item of source) {
        if (controller.signal.aborted) return;
        this.#bus.publish(reply, Buffer.from(JSON.stringify(item)), { reply: enough });
      }
      if (!controller.signal.aborted) this.#reply(message, {}, ended);
    } finally {
      clearInterval(alive);
      end.unsubscribe();
      this.#streams.delete(controller);
    }
  }

  /** An asker that is gone without a word listens no more; one that is there may leave this unanswered. */
  async #findOut(reply: string, controller: AbortController): Promise<void> {
    try {
      await this.#bus.request(reply, new Uint8Array(), { timeoutMs: 100, headers: stillThere });
    } catch (error) {
      if (isLatticeError(error) && error.code === "NO_RESPONDERS") controller.abort();
    }
  }

  #fail(message: BusMessage, verb: string, error: unknown): void {
    this.#refusals.count(error);
    if (!isLatticeError(error)) {
      const stack = error instanceof Error ? (error.stack ?? "") : describe(error);
      this.#host.logger.error(`verb ${verb} asked over the lattice failed: ${stack}`);
    }
    const known = isLatticeError(error) ? error : failFrom(error, "VERB_FAILED", verb, describe(error));
    const { message: text, ...rest } = known.toWire();
    this.#reply(message, { success: false, error: text, ...rest }, ended);
  }

  /** An answer that cannot be sent becomes an error that says so. */
  #reply(message: BusMessage, body: object, headers?: BusHeaders): void {
    try {
      this.#replies.respond(message, Buffer.from(JSON.stringify(body)), headers);
    } catch (error) {
      const { message: text, ...rest } = isLatticeError(error)
        ? error.toWire()
        : fail("VERB_FAILED", "answering", describe(error)).toWire();
      message.respond(Buffer.from(JSON.stringify({ success: false, error: text, ...rest })), ended);
    }
  }
}

function isStream(answer: object): answer is AsyncIterable<object> {
  return Symbol.asyncIterator in answer;
}

function parsed(verb: string, payload: Uint8Array): unknown {
  if (payload.length === 0) return {};
  try {
    return JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch (error) {
    throw failFrom(error, "REQUEST_INVALID", verb, "the body is not JSON");
  }
}
