import type { TraceContext } from "../../lattice/index.ts";
import type { Health, ProviderCall } from "../provider.ts";
import type { Message } from "./contract.ts";
import type { Subscription } from "./subjects.ts";

/**
 * The seam below the contract `wasmcloud:messaging`: subjects within this host, or those of a NATS
 * server. Both pass `test/contract/messaging-suite.ts`. Messages arrive at most once; bodies given are
 * the caller's again when a function returns.
 */
export interface Exchange {
  /** @throws LatticeError QUEUE_FULL, PAYLOAD_TOO_LARGE, SERVER_UNAVAILABLE at once while it is away. */
  publish(message: Message, cause: ProviderCall): void;
  /**
   * Publishes with an address for answers and waits for the first.
   * @throws LatticeError NO_RESPONDERS at once, RPC_TIMEOUT, STOPPED when it closes meanwhile; and those of `publish`.
   */
  request(subject: string, body: Uint8Array, timeoutMs: number, cause: ProviderCall): Promise<Message>;
  /** Members of one group share the messages, whichever host they are on. */
  listen(subscription: Subscription, receiver: Receiver): Listening;
  /** Resolves when senders everywhere reach what listens so far; soon, too, while its server is away. */
  settled?(): Promise<void>;
  health?(): Health;
  /** Ends all listening; what came before is received. */
  drain?(): Promise<void>;
  close(): void | Promise<void>;
}

/** Something of an exchange that listens, from then on until it is stopped. */
export interface Listening {
  /** Resolves when everything that was sent before has been received. May be called twice. */
  stop(): void | Promise<void>;
}

/** The linked actor behind one or several subscriptions. */
export interface Receiver {
  /** The actor's name. */
  readonly name: string;
  /** Messages that wait for the actor or that it works on. */
  readonly pending: number;
  readonly full: boolean;
  /** Hands a message on in a later turn of the event loop. Its body is read before this returns. */
  take(message: Message, trace: TraceContext | undefined, cause?: ProviderCall): void;
  /** Notes that a message was lost because it is full and its sender cannot be told. */
  drop(): void;
}
