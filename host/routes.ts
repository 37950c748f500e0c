import type { CallSite } from "../actors/index.ts";
import type { Link } from "../capabilities/index.ts";
import {
  canonicalContract,
  contractOf,
  fail,
  isPublicKey,
  type LatticeError,
  type Origin,
  type Target,
} from "../lattice/index.ts";
import type { LinkRow, PlacementRow, ProviderRow, Tables } from "./tables.ts";

/** Where a call of one placement goes, resolved once per names and epoch. */
export type Route =
  | { readonly kind: "provider"; readonly contractId: string; readonly link: LinkRow }
  | {
      readonly kind: "service";
      readonly contractId: string;
      readonly provider: ProviderRow;
      /** Made up, since providers see links only. */
      readonly link: Link;
      readonly unclaimed: boolean;
    }
  | { readonly kind: "actor"; readonly key: string }
  /** A new error for each call: an error belongs to who catches it. */
  | { readonly kind: "refused"; readonly error: () => LatticeError };

const hostServiceContracts = new Set([contractOf("logging"), contractOf("numbers")]);

/**
 * Who is meant by (binding, namespace), and may this placement call it. Order and rules: design
 * section 7; source: waPC and actors reference, section 12.
 *
 * 1. a link of this actor for the contract under that name, when the token claims the contract
 * 2. logging and numbers, which the host answers itself; unclaimed ones are let through for E4 only
 * 3. an actor by key, 4. an actor by call alias
 */
export function resolveRoute(
  tables: Tables,
  caller: PlacementRow,
  site: Pick<CallSite, "binding" | "namespace">,
  strict: boolean,
): Route {
  const { binding, namespace } = site;
  if (isPublicKey(namespace, "module")) return actorRoute(tables, caller, namespace);
  const name = caller.spec.module.claims.name;
  const contract = canonicalContract(namespace);
  const claimed = caller.claims.has(contract);
  const link = tables.findLink(caller, contract, binding);
  if (claimed && link) return { kind: "provider", contractId: namespace, link };
  const service = hostServiceContracts.has(contract) ? tables.hostServices.get(contract) : undefined;
  if (service && (claimed || (caller.spec.module.era === "E4" && !strict))) {
    const made = serviceLink(caller, service, binding);
    return { kind: "service", contractId: namespace, provider: service, link: made, unclaimed: !claimed };
  }
  const key = tables.keyOfAlias(namespace);
  if (key !== undefined) return actorRoute(tables, caller, key);
  if (claimed) return refused(() => fail("LINK_ABSENT", name, namespace, binding));
  if (link || namespace.includes(":")) return refused(() => fail("CLAIM_ABSENT", name, namespace));
  return refused(() => fail("ALIAS_ABSENT", namespace));
}

/**
 * Actors of E0 to E2 may call an actor whose key they claim, and themselves; E3 and E4 any actor.
 * A portable provider may call the actors linked to it.
 */
function actorRoute(tables: Tables, caller: PlacementRow, key: string): Route {
  const { module } = caller.spec;
  const free = module.era === "E3" || module.era === "E4";
  if (free || key === module.key || caller.claims.has(key) || serves(tables, caller, key))
    return { kind: "actor", key };
  return refused(() => fail("ACTOR_CALL_REFUSED", module.claims.name, key));
}

/**
 * The same for a call of another host, which has looked at the token of its actor: here counts that
 * both ends are linked. Source: lattice protocol reference, section 3.4, "origin is linked".
 */
export function remoteRoute(tables: Tables, origin: Origin, target: Target): Route {
  if (target.kind === "actor") {
    const { key } = target;
    if (origin.kind !== "provider") return { kind: "actor", key };
    const { key: publicKey, contractId, linkName } = origin;
    if (tables.findLinkTo(key, { publicKey, contractId, linkName })) return { kind: "actor", key };
    return refused(() => fail("LINK_ABSENT", key, contractId, linkName));
  }
  const { contractId, linkName } = target;
  const link = origin.kind === "actor" ? tables.findLinkOf(origin.key, contractId, linkName) : undefined;
  if (link) return { kind: "provider", contractId, link };
  const who = origin.kind === "provider" ? origin.key : origin.name;
  return refused(() => fail("LINK_ABSENT", who, contractId, linkName));
}

function serves(tables: Tables, portable: PlacementRow, actor: string): boolean {
  if (!portable.spec.module.claims.portableProvider) return false;
  for (const { spec, provider } of tables.links.values()) {
    const source = provider?.spec.source;
    if (spec.actor === actor && source?.kind === "portable" && source.placement === portable.spec.id) return true;
  }
  return false;
}

/** Host services need no link; each way to one carries its own. */
function serviceLink({ spec: { id }, linkedActor }: PlacementRow, { spec }: ProviderRow, linkName: string): Link {
  const { key: provider, contractId } = spec;
  const actor = linkedActor.key;
  return {
    id: `${id} ${spec.id} ${linkName}`,
    actor,
    provider,
    contractId,
    linkName,
    values: {},
    revision: 1,
    linkedActor,
  };
}

function refused(error: () => LatticeError): Route {
  return { kind: "refused", error };
}
