/**
 * Capability contract ids across the eras.
 *
 * An id is opaque and third parties invent their own, but the well-known capabilities changed their
 * name with each era. All names of one capability form an alias set: a link for
 * `wasmcloud:keyvalue` serves an actor that claims `wascc:keyvalue`; the provider translates the
 * payload by the actor's era. Source: waPC and actors reference, section 10.
 */
const aliasSets = {
  httpserver: ["wasmcloud:httpserver", "wascc:http_server", "wascap:http_server", "wascap:httpserver"],
  httpclient: ["wasmcloud:httpclient", "wascc:http_client", "wascap:http_client"],
  keyvalue: ["wasmcloud:keyvalue", "wascc:keyvalue", "wascc:key_value", "wascap:keyvalue"],
  messaging: ["wasmcloud:messaging", "wascc:messaging", "wascap:messaging"],
  blobstore: ["wasmcloud:blobstore", "wascc:blobstore", "wascap:blobstore"],
  eventstreams: ["wasmcloud:eventstreams", "wascc:eventstreams"],
  logging: ["wasmcloud:builtin:logging", "wasmcloud:logging", "wascc:logging", "wascap:logging"],
  numbers: ["wasmcloud:builtin:numbergen", "wasmcloud:extras", "wascc:extras", "wascap:extras"],
} as const;

export type Capability = keyof typeof aliasSets;

const canonical = new Map<string, string>();
for (const [first, ...others] of Object.values(aliasSets)) {
  canonical.set(first, first);
  for (const other of others) canonical.set(other, first);
}

/** The one name of an alias set; ids outside every set are their own. */
export function canonicalContract(contractId: string): string {
  return canonical.get(contractId) ?? contractId;
}

/** The canonical contract id of a well-known capability, for example `wasmcloud:keyvalue`. */
export function contractOf(capability: Capability): string {
  return aliasSets[capability][0];
}

/** All names that mean the same contract, the canonical one first. */
export function contractAliases(contractId: string): readonly string[] {
  const first = canonicalContract(contractId);
  return Object.values(aliasSets).find((set) => set[0] === first) ?? [contractId];
}
