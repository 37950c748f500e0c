import { contractOf, fail } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import type { Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { logOperations, readLogRecord } from "./contract.ts";

const done = new Uint8Array(0);

/** Takes the log lines of actors of every era and hands them to the host, which knows where they go. */
export function actorLogging(): Provider {
  let context: ProviderContext | undefined;
  return {
    contractId: contractOf("logging"),
    name: "logging",
    stateless: true,
    start(given) {
      context = given;
    },
    handle(call: ProviderCall) {
      const { contractId, operation, payload } = call;
      if (!logOperations.has(operation)) throw fail("OPERATION_UNKNOWN", contractId, operation);
      try {
        context?.writeActorLog(call, readLogRecord(payload));
      } catch (error) {
        throw payloadError(operation, error);
      }
      return done;
    },
  };
}
