import { canonicalContract, defaultLinkName, fail, isLatticeError, isPublicKey } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";
import type { LinkOptions } from "./links.ts";
import { shortContract } from "./names.ts";
import type { HostParts } from "./parts.ts";
import type { ActorHandle, ProviderHandle, ProviderRecord, Wanted } from "./wanted.ts";

/** Who is to stand behind a link: a provider here, one on another host, or one that nobody runs yet. */
export interface Behind {
  readonly key: string;
  readonly contractId: string;
  /** Under which the provider runs. */
  readonly linkName: string;
  readonly local?: ProviderSpec;
  readonly host?: string;
}

/**
 * The provider that `provider` means: here first, then, once `joined`, on other hosts, then by key alone.
 * @throws LatticeError PROVIDER_ABSENT, ACTOR_AMBIGUOUS.
 */
export function findBehind(
  parts: HostParts,
  provider: ProviderHandle | string,
  options: LinkOptions,
  joined: boolean,
): Behind {
  const { wanted, fleet } = parts;
  const { contractId, linkName = defaultLinkName } = options;
  try {
    const { spec } = findHere(wanted, provider, linkName);
    checkContract(spec.name, spec.contractId, contractId);
    return { key: spec.key, contractId: spec.contractId, linkName: spec.linkName, local: spec };
  } catch (error) {
    if (!isAbsent(error)) throw error;
    // What a handle meant may have gone to another host and come back.
    if (typeof provider !== "string") {
      try {
        return findBehind(parts, provider.id, options, joined);
      } catch (again) {
        throw isAbsent(again) ? error : again;
      }
    }
    const { tables } = fleet.caller;
    const former = tables.formerKeys.all().filter(({ key }) => key === provider);
    const swapped = former.find((each) => each.linkName === linkName) ?? former[0];
    if (swapped) return findBehind(parts, swapped.now, options, joined);
    if (!joined) throw error;
    const gone = goneFrom(parts, provider);
    if (gone) {
      checkContract(provider, gone.contractId, contractId);
      return gone;
    }
    const found = tables.peers.findProvider(provider, linkName);
    if (found) {
      const { key, name, contractId: provides, linkName: under } = found.provider;
      checkContract(name, provides, contractId);
      return { key, contractId: provides, linkName: under, host: found.peer.host };
    }
    if (contractId === undefined || !isPublicKey(provider)) throw error;
    return { key: provider, contractId, linkName };
  }
}

/** It has just gone to another host, which may not have announced it yet. */
function goneFrom({ wanted, fleet }: HostParts, sought: string): Behind | undefined {
  for (const { spec } of wanted.beside.keys()) {
    const { key, name, contractId, linkName } = spec;
    if (![key, name, contractId, shortContract(contractId)].includes(sought)) continue;
    const place = fleet.caller.tables.givenTo({ provider: key, linkName });
    if (place) return { key: place.key, contractId, linkName, host: place.host };
  }
  return undefined;
}

/** The M key of an actor that need not run anywhere yet. @throws LatticeError ACTOR_ABSENT, ACTOR_AMBIGUOUS. */
export function linkedKey({ wanted, fleet }: Pick<HostParts, "wanted" | "fleet">, actor: ActorHandle | string): string {
  try {
    return wanted.actorKey(actor);
  } catch (error) {
    const elsewhere = typeof actor === "string" ? fleet.caller.tables.peers.findActor(actor) : undefined;
    if (!elsewhere) throw error;
    return elsewhere.actor.key;
  }
}

/** Of several under one key, contract or name the link's own name decides. */
function findHere(wanted: Wanted, provider: ProviderHandle | string, linkName: string): ProviderRecord {
  try {
    return wanted.findProvider(provider);
  } catch (error) {
    if (!isLatticeError(error) || error.code !== "ACTOR_AMBIGUOUS") throw error;
    try {
      return wanted.findProvider(provider, linkName);
    } catch {
      throw error;
    }
  }
}

function isAbsent(error: unknown): boolean {
  return isLatticeError(error) && error.code === "PROVIDER_ABSENT";
}

/** @throws LatticeError REQUEST_INVALID when another contract was said than the provider has. */
function checkContract(name: string, provides: string, said: string | undefined): void {
  if (said === undefined || canonicalContract(said) === canonicalContract(provides)) return;
  throw fail("REQUEST_INVALID", "link.put", `${name} provides ${provides}, not ${said}`);
}
