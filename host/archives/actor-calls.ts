import type { Link, ProviderContext } from "../../capabilities/index.ts";
import {
  actorEntity,
  type Bus,
  type BusMessage,
  decodeInvocation,
  describe,
  encodeResponse,
  entityUrl,
  fail,
  failFrom,
  failureResponse,
  InvocationVerifier,
  isLatticeError,
  type LatticeError,
  type Subjects,
  successResponse,
  traceOfHeaders,
  unknownInvocationId,
  type WireEntity,
} from "../../lattice/index.ts";

export interface ActorCallsOptions {
  readonly linkOf: (actor: string) => Link | undefined;
  readonly context: ProviderContext;
}

/** What an archive's program asks of actors: signed with its own key, for itself, and then through dispatch like any call. */
export class ActorCalls {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #verifier: InvocationVerifier;
  readonly #provider: WireEntity;
  readonly #options: ActorCallsOptions;

  /** `issuer`: the only key whose invocations are believed. */
  constructor(bus: Bus, subjects: Subjects, issuer: string, provider: WireEntity, options: ActorCallsOptions) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#verifier = new InvocationVerifier({ issuers: [issuer] });
    this.#provider = provider;
    this.#options = options;
  }

  /** Until the bus closes. */
  listen(): void {
    this.#bus.subscribe(this.#subjects.pattern("actorRpc"), (message) => this.#answer(message));
  }

  async #answer(message: BusMessage): Promise<void> {
    let id = unknownInvocationId;
    try {
      const invocation = decodeInvocation(message.payload);
      id = invocation.id;
      const target = this.#subjects.parse(message.subject);
      if (target?.kind !== "actorRpc") throw fail("INVOCATION_MISDIRECTED", id, message.subject);
      const proven = this.#verifier.prove(this.#verifier.check(invocation, actorEntity(target.actor)));
      if (entityUrl(proven.origin) !== entityUrl(this.#provider)) throw fail("INVOCATION_ORIGIN_ALTERED", id);
      const link = this.#options.linkOf(target.actor);
      if (!link) {
        const { contractId, linkName } = this.#provider;
        throw fail("LINK_ABSENT", target.actor, contractId, linkName);
      }
      const trace = proven.trace ?? traceOfHeaders(message.headers);
      const reply = await this.#options.context.invoke(link, proven.operation, proven.payload, trace ? { trace } : {});
      message.respond(encodeResponse(successResponse(id, reply)));
    } catch (error) {
      message.respond(encodeResponse(failureResponse(id, asLattice(error))));
    }
  }
}

function asLattice(error: unknown): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", "the host", "a call", describe(error));
}
