import { LinkedStores } from "./linked-stores.ts";
import type { KeyvalueStore } from "./store.ts";

export interface KeyvalueProvider<Store extends KeyvalueStore = KeyvalueStore> extends LinkedStores {
  /** What stands behind it; one store for all links, each perhaps with a `prefix` of its own. */
  readonly store: Store;
}

/**
 * Makes a provider of `wasmcloud:keyvalue` from a store. It speaks all five eras; the store knows
 * none of them. Stops the store with itself.
 */
export function keyvalueProvider<Store extends KeyvalueStore>(store: Store): KeyvalueProvider<Store> {
  const place = { id: store.name, title: store.name };
  const provider = new LinkedStores({
    name: store.name,
    stateless: false,
    only: store,
    placeOf: () => place,
    open: () => store,
  });
  return Object.assign(provider, { store });
}
