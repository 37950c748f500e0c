import type { Asker } from "./asker.ts";
import { fail } from "./errors.ts";

/**
 * The seam to messaging: in process (`memory-bus.ts`) or NATS (`nats/nats-bus.ts`). Both pass `test/contract/bus-suite.ts`.
 *
 * Messages arrive at most once, those of one sender on one subject in the order in which they were
 * published, and always later than the call that published them. Payloads are not copied: who
 * publishes does not change the bytes afterwards, who receives does not change them at all.
 */
export interface Bus extends AsyncDisposable {
  readonly status: BusStatus;
  /** Largest payload of one message in bytes; over it `publish` and `request` refuse. */
  readonly maxPayloadBytes: number;

  /** Calls `listener` at every change, not at once. Returns what ends it. */
  onStatus(listener: (status: BusStatus) => void): () => void;

  /**
   * Sends to whoever listens; nobody may.
   * @throws LatticeError SUBJECT_INVALID, HEADER_INVALID, PAYLOAD_TOO_LARGE, BUS_CLOSED; BUS_FULL
   * when too much waits already for a server that is away or slow.
   */
  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void;

  /**
   * Sends and waits for the first reply.
   * @throws LatticeError NO_RESPONDERS at once when nobody listens, RPC_TIMEOUT after `timeoutMs`,
   * CALLER_GONE when `signal` is aborted, BUS_CLOSED when the bus closes meanwhile; and those of `publish`.
   */
  request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<BusMessage>;

  /**
   * `request` without a promise: `asker` is told, later than this returns. What an asker that knows its reply
   * does not know as such may be dropped.
   * @throws LatticeError where it is known at once that it cannot be sent; nobody is told then.
   */
  ask(subject: string, payload: Uint8Array, options: RequestOptions, asker: Asker<BusMessage> | KnowingAsker): void;

  /**
   * Sends and collects replies until `timeoutMs` have passed or `max` have come. No reply is an empty
   * list, at once when nobody listens.
   * @throws LatticeError CALLER_GONE, BUS_CLOSED; and those of `publish`.
   */
  gather(subject: string, payload: Uint8Array, options: GatherOptions): Promise<BusMessage[]>;

  /**
   * Listens on a subject or pattern (`*` one token, a last `>` one or more). Members of one `queue`
   * share the messages, each goes to one of them; without a queue every subscription gets its copy.
   * The handler is not awaited before the next message; what it throws goes to the bus's error
   * listener and hurts nobody else.
   * @throws LatticeError SUBJECT_INVALID, BUS_CLOSED also while draining.
   */
  subscribe(pattern: string, handler: MessageHandler, options?: SubscribeOptions): Subscription;

  /** Resolves when everything published before is on its way to the receivers. @throws LatticeError BUS_CLOSED. */
  flush(): Promise<void>;

  /**
   * Takes no more messages, finishes those it holds, then closes. Handlers at work may still publish
   * and request. May be called twice.
   */
  drain(): Promise<void>;

  /** Closes at once: waiting requests fail with BUS_CLOSED. May be called twice. */
  close(): Promise<void>;
}

/**
 * Who asks where one alone answers, and once, and tells its reply from those to others: then replies may
 * come on one subject after the other. A server looks up a subject that it has seen before in a fraction
 * of the time of a new one: calls between hosts took a seventh less, all together.
 */
export interface KnowingAsker extends Asker<BusMessage> {
  /** False for the reply to another request, sent twice as it happens when a server is left. */
  readonly knows: (reply: BusMessage) => boolean;
}

/** `reconnecting`: publishing is still accepted and sent later, requests wait within their time. */
export type BusStatus = "connecting" | "connected" | "reconnecting" | "draining" | "closed";

/** Names are case-sensitive; one name may have several values. */
export type BusHeaders = ReadonlyMap<string, readonly string[]>;

export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: BusHeaders;
}

export interface RequestOptions {
  /** In milliseconds, at least 1. */
  readonly timeoutMs: number;
  readonly headers?: BusHeaders;
  readonly signal?: AbortSignal;
}

export interface GatherOptions extends RequestOptions {
  /** Enough replies. Default: all that come in time. */
  readonly max?: number;
}

export interface SubscribeOptions {
  readonly queue?: string;
}

export interface BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: BusHeaders;
  readonly reply: string | undefined;
  /** Publishes to `reply`; false when the sender wants no reply or the bus is closed. */
  respond(payload: Uint8Array, headers?: BusHeaders): boolean;
}

export type MessageHandler = (message: BusMessage) => void | Promise<void>;

export interface Subscription {
  readonly pattern: string;
  /** No more messages, not even those under way. May be called twice. */
  unsubscribe(): void;
  /** Takes no more, resolves when the handler is done with those it got. May be called twice. */
  drain(): Promise<void>;
}

export const noHeaders: BusHeaders = new Map();

/** @throws LatticeError HEADER_INVALID: text that would end the line, or a name with a colon. */
export function checkHeaders(headers: BusHeaders): void {
  for (const [name, values] of headers) {
    if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name)) throw fail("HEADER_INVALID", name);
    if (values.some((value) => /[\r\n\0]/.test(value))) throw fail("HEADER_INVALID", name);
  }
}
