import type { Link, ProviderContext } from "../../capabilities/index.ts";
import {
  actorEntity,
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
  successResponse,
  traceOfHeaders,
  unknownInvocationId,
  type WireEntity,
} from "../../lattice/index.ts";
import type { PrivateLattice } from "./private-lattice.ts";

export interface ActorCallsOptions {
  readonly linkOf: (actor: string) => Link | undefined;
  readonly context: ProviderContext;
  /** Told of each message that is no call of the program. */
  readonly onRefused?: ((error: LatticeError) => void) | undefined;
}

/** What an archive's program asks of actors: signed with its own key, for itself, and then through dispatch like any call. */
export class ActorCalls {
  readonly #between: PrivateLattice;
  readonly #verifier: InvocationVerifier;
  readonly #provider: WireEntity;
  readonly #options: ActorCallsOptions;

  /** `issuer`: the only key whose invocations are believed. */
  constructor(between: PrivateLattice, issuer: string, provider: WireEntity, options: ActorCallsOptions) {
    this.#between = between;
    this.#verifier = new InvocationVerifier({ issuers: [issuer] });
    this.#provider = provider;
    this.#options = options;
  }

  /** Until the bus closes. */
  listen(): void {
    const { connection, subjects } = this.#between;
    connection.bus.subscribe(subjects.pattern("actorRpc"), (message) => this.#answer(message));
  }

  async #answer(message: BusMessage): Promise<void> {
    const { subjects, large } = this.#between;
    let id = unknownInvocationId;
    let isCall = false;
    try {
      const invocation = decodeInvocation(message.payload);
      id = invocation.id;
      const actor = invocation.target.publicKey;
      if (message.subject !== subjects.write("actorRpc", { actor }))
        throw fail("INVOCATION_MISDIRECTED", id, message.subject);
      const checked = this.#verifier.check(invocation, actorEntity(actor));
      const proven = this.#verifier.prove(checked, await large.payloadOf(checked));
      if (entityUrl(proven.origin) !== entityUrl(this.#provider)) throw fail("INVOCATION_ORIGIN_ALTERED", id);
      const link = this.#options.linkOf(actor);
      if (!link) {
        const { contractId, linkName } = this.#provider;
        throw fail("LINK_ABSENT", actor, contractId, linkName);
      }
      isCall = true;
      const trace = proven.trace ?? traceOfHeaders(message.headers);
      const reply = await this.#options.context.invoke(link, proven.operation, proven.payload, trace ? { trace } : {});
      message.respond(encodeResponse(await large.offloadResponse(successResponse(id, reply))));
    } catch (error) {
      const problem = asLattice(error);
      if (!isCall) this.#options.onRefused?.(problem);
      message.respond(encodeResponse(failureResponse(id, problem)));
    }
  }
}

function asLattice(error: unknown): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", "the host", "a call", describe(error));
}
