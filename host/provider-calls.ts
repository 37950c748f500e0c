import type { Link, ProviderCall } from "../capabilities/index.ts";
import { describe, fail, failFrom, type VerifiedInvocation } from "../lattice/index.ts";
import { type Deadlines, graceMs } from "./deadlines.ts";
import { mayBeTold } from "./not-begun.ts";
import { stepNumber } from "./children/provider-step.ts";
import { holderWord, stallWords } from "./stalls/stall-watch.ts";
import type { LinkRow, ProviderRow } from "./tables.ts";

const handleStep = stepNumber("call");

/**
 * How a provider that runs here is asked: an immediate answer stays immediate, whatever it throws
 * stays behind its contract, and nobody waits for it beyond the deadline of the call or the link.
 */
export class ProviderCalls {
  readonly #deadlines: Deadlines;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** Over a link, which counts it, to the provider that stands behind it. */
  overLink(invocation: VerifiedInvocation, row: LinkRow, behind: ProviderRow): Uint8Array | Promise<Uint8Array> {
    row.calls++;
    const end = row.deadlineMs > 0 ? performance.now() + row.deadlineMs : Number.POSITIVE_INFINITY;
    if (end >= invocation.deadline) {
      return this.#ask(invocation, behind, row.link, row, invocation.deadline + graceMs);
    }
    // The guest goes on when its link's deadline has passed, so the provider gets bytes of its own.
    const call = { ...invocation, deadline: end, payload: invocation.payload.slice() };
    return this.#ask(call, behind, row.link, row, end);
  }

  /** A service of the host, under the link made up for its caller. */
  service(invocation: VerifiedInvocation, behind: ProviderRow, link: Link): Uint8Array | Promise<Uint8Array> {
    return this.#ask(invocation, behind, link, undefined, invocation.deadline + graceMs);
  }

  #ask(
    invocation: VerifiedInvocation,
    behind: ProviderRow,
    link: Link,
    row: LinkRow | undefined,
    end: number,
  ): Uint8Array | Promise<Uint8Array> {
    behind.calls++;
    let answer: Uint8Array | Promise<Uint8Array>;
    // As `holding` does, which would cost a function for each call.
    const before = stallWords[holderWord]!;
    stallWords[holderWord] = behind.mark + handleStep;
    try {
      // Dispatch has seen that it runs here.
      answer = behind.provider!.handle(providerCall(invocation, link));
    } catch (error) {
      if (row) row.errors++;
      behind.watch.note(error);
      throw providerError(error, behind, invocation.operation);
    } finally {
      stallWords[holderWord] = before;
    }
    if (!(answer instanceof Uint8Array)) return this.#later(answer, invocation, behind, row, end);
    behind.watch.inSequence = 0;
    return answer;
  }

  /** Waits until `end` for an answer that is not there yet. One promise, since each more costs a call 0.1 us. */
  #later(
    answer: Promise<Uint8Array>,
    { operation, deadline }: VerifiedInvocation,
    behind: ProviderRow,
    row: LinkRow | undefined,
    end: number,
  ): Promise<Uint8Array> {
    const { name } = behind.spec;
    const since = performance.now();
    behind.inFlight.begin();
    row?.inFlight.begin();
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => {
        if (row) row.errors++;
        behind.watch.note(error);
        reject(error);
      };
      const over = () => {
        behind.inFlight.end();
        row?.inFlight.end();
      };
      const inTime = this.#deadlines.watch(end, (why) => {
        over();
        refuse(why ?? fail("DEADLINE_EXCEEDED", `${operation} of ${name}`, Math.round(deadline - since)));
      });
      // It may be no promise at all: providers are written in plain JavaScript too.
      Promise.resolve(answer).then(
        (bytes: unknown) => {
          if (!inTime()) return;
          over();
          if (bytes instanceof Uint8Array) {
            behind.watch.inSequence = 0;
            resolve(bytes);
          } else refuse(fail("REPLY_MALFORMED", name, operation, "a provider answers bytes"));
        },
        (error: unknown) => {
          if (!inTime()) return;
          over();
          refuse(providerError(error, behind, operation));
        },
      );
    });
  }
}

function providerCall(invocation: VerifiedInvocation, link: Link): ProviderCall {
  const { origin, target, operation, payload, deadline, hops, trace } = invocation;
  return {
    contractId: target.kind === "contract" ? target.contractId : link.contractId,
    operation,
    payload,
    linkName: link.linkName,
    origin,
    // The guest's own: one that an update has replaced still speaks as it did.
    era: origin.kind === "actor" ? origin.era : link.linkedActor.era,
    link,
    deadline,
    hops,
    trace,
  };
}

/** A provider's own failure, whatever it threw, stays behind its contract. */
function providerError(error: unknown, behind: ProviderRow, operation: string): unknown {
  return mayBeTold(error, "provider")
    ? error
    : failFrom(error, "PROVIDER_FAILED", behind.spec.name, operation, describe(error));
}
