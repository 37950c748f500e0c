import { Messaging, type MessagingOptions } from "../messaging/provider.ts";
import { MemoryExchange } from "./exchange.ts";

/** More than `maxPending` fails the publish. */
export type MemoryMessagingOptions = MessagingOptions;

/**
 * Subjects within one host: publish, subscribe with wildcards and queue groups, request and reply.
 * Values that name servers are passed over: a link stays good when it moves to NATS and back.
 * @throws LatticeError OPTION_OUT_OF_RANGE
 */
export function memoryMessaging(options: MemoryMessagingOptions = {}): Messaging {
  const name = "messaging in memory";
  const only = new MemoryExchange(name);
  return new Messaging({ name, placeOf: () => ({ id: "" }), open: () => only, only }, options);
}
