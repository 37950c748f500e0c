import { contractOf, fail } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import type { Provider, ProviderCall } from "../provider.ts";
import { operations } from "./operations.ts";
import type { KeyvalueStore } from "./store.ts";

export interface KeyvalueProvider<Store extends KeyvalueStore = KeyvalueStore> extends Provider {
  /** What stands behind it; one store for all links. */
  readonly store: Store;
}

/**
 * Makes a provider of `wasmcloud:keyvalue` from a store. It speaks all five eras; the store knows
 * none of them. Stops the store with itself.
 */
export function keyvalueProvider<Store extends KeyvalueStore>(store: Store): KeyvalueProvider<Store> {
  return {
    contractId: contractOf("keyvalue"),
    name: store.name,
    store,
    handle({ contractId, operation, era, payload }: ProviderCall) {
      const run = operations.get(operation);
      if (run === undefined) throw fail("OPERATION_UNKNOWN", contractId, operation);
      try {
        return run(store, era, payload);
      } catch (error) {
        throw payloadError(operation, error);
      }
    },
    async stop() {
      await store.close?.();
    },
  };
}
