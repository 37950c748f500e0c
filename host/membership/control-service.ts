import {
  type BusMessage,
  controlSubscriptions,
  describe,
  fail,
  isLatticeError,
  type ParsedSubject,
  type Subjects,
  type Subscription,
} from "../../lattice/index.ts";
import { refused } from "./acks.ts";
import { controlTable, type ControlRow, unsupported } from "./control-table.ts";
import type { Desk } from "./desk.ts";

/** Who fetches in parts what may be larger than a message. */
const inParts: Readonly<Record<string, string>> = {
  getClaims: "lattice get claims",
  getLinks: "lattice get links",
  getInventory: "lattice get inventory",
} satisfies Partial<Record<ParsedSubject["kind"], string>>;

/** Answers the control interface of the 0.x years: finds the row of a subject and replies as JSON. */
export class ControlService {
  readonly #desk: Desk;
  readonly #subjects: Subjects;
  #subscriptions: readonly Subscription[] = [];

  constructor(desk: Desk, subjects: Subjects) {
    this.#desk = desk;
    this.#subjects = subjects;
  }

  start(): void {
    const { connection, host } = this.#desk;
    const readOnly = host.config.membership.ctl !== "full";
    const wanted = controlSubscriptions(this.#subjects, host.id).filter(
      ({ pattern }) => !readOnly || !forOthers(pattern),
    );
    this.#subscriptions = wanted.map(({ pattern, queue }) =>
      connection.bus.subscribe(pattern, (message) => this.#serve(message), queue === undefined ? {} : { queue }),
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  async #serve(message: BusMessage): Promise<void> {
    const subject = this.#subjects.parse(message.subject);
    const answer = subject ? await this.#answer(subject, message.payload) : this.#unknown(message.subject);
    if (!answer) return;
    const { shorter } = (subject && this.#row(subject)) ?? {};
    // What is larger than a message may be says less, and at least that.
    const forms = [() => answer, ...(shorter ? [() => shorter(answer)] : [])];
    let problem: unknown;
    for (const form of forms) {
      const text = Buffer.from(JSON.stringify(form()));
      try {
        message.respond(text);
        return;
      } catch (error) {
        problem = this.#whyNot(error, subject?.kind, text.length);
      }
    }
    this.#desk.host.logger.warn(`a question over the lattice was not answered: ${describe(problem)}`);
    message.respond(Buffer.from(JSON.stringify(refused(problem))));
  }

  /** Half an answer would be taken for a whole one, so there is none: the error names the way to it. */
  #whyNot(error: unknown, kind: string | undefined, bytes: number): unknown {
    const command = kind === undefined ? undefined : inParts[kind];
    if (!isLatticeError(error) || error.code !== "PAYLOAD_TOO_LARGE" || command === undefined) return error;
    return fail(
      "ANSWER_TOO_LARGE",
      command.slice("lattice ".length),
      bytes,
      this.#desk.connection.bus.maxPayloadBytes,
      command,
    );
  }

  async #answer(subject: ParsedSubject, payload: Uint8Array): Promise<object | undefined> {
    const row = this.#row(subject);
    if (!row) return this.#unknown(subject.kind);
    const { host } = this.#desk;
    try {
      if (row.changes && host.config.membership.ctl !== "full") throw fail("CONTROL_REFUSED", host.name, "changes");
      return await row.answer(this.#desk, subject as never, payload);
    } catch (error) {
      this.#desk.refusals.count(error);
      if (!isLatticeError(error)) host.logger.error(`control message ${subject.kind} failed: ${stackOf(error)}`);
      // Nobody waits for a refusal where every host is asked and the willing answer.
      return subject.kind.startsWith("auction") ? undefined : refused(error);
    }
  }

  #row({ kind }: ParsedSubject): ControlRow<never> | undefined {
    return (controlTable as Readonly<Record<string, ControlRow<never> | undefined>>)[kind];
  }

  #unknown(subject: string): object {
    this.#desk.refusals.count(fail("VERB_UNKNOWN", subject));
    return unsupported;
  }
}

/** What any willing host may answer: one that only reads must not take it away from those that do more. */
function forOthers(pattern: string): boolean {
  return /\.(auction|linkdefs|config)\.[*>]$/.test(pattern) && !pattern.includes(".get.");
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : describe(error);
}
