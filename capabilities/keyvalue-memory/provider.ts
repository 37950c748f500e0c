import { type KeyvalueProvider, keyvalueProvider } from "../keyvalue/provider.ts";
import { MemoryStore, type MemoryStoreOptions } from "./store.ts";

/**
 * Key-value in this process's memory, for one host and for tests; it keeps its state, so a host runs
 * one of it per link name. `provider.store` is the store itself.
 */
export function memoryKeyvalue(options: MemoryStoreOptions = {}): KeyvalueProvider<MemoryStore> {
  return keyvalueProvider(new MemoryStore(options));
}
