import {
  actorEntity,
  fail,
  isActorEntity,
  isPublicKey,
  isSubjectName,
  type Origin,
  providerEntity,
  type Target,
  type WireEntity,
} from "../../lattice/index.ts";
import type { Tables } from "../tables.ts";

/**
 * What clients of 0.x that are neither actor nor provider write as their key.
 * Source: wash 0.22, the origin of `wash call`.
 */
const clientKey = "__WASH__";

/** Who asks, as invocations of 0.x say it. */
export function originEntity(origin: Origin): WireEntity {
  if (origin.kind === "actor") return actorEntity(origin.key);
  if (origin.kind === "provider") return providerEntity(origin.key, origin.contractId, origin.linkName);
  return actorEntity(clientKey);
}

/**
 * Who asks by a verified invocation of 0.x. What it does not say, the era of an actor, is known from
 * its host when that is one of ours; actors of 0.5 to 0.82 hosts speak as E4 does.
 */
export function entityOrigin({ publicKey, contractId, linkName }: WireEntity, tables: Tables): Origin {
  if (publicKey.startsWith("V") || contractId !== "") return { kind: "provider", key: publicKey, contractId, linkName };
  if (!publicKey.startsWith("M")) return { kind: "operator", name: publicKey };
  const { name = publicKey, era = "E4" } = tables.known(publicKey) ?? {};
  return { kind: "actor", key: publicKey, name, placement: "", era };
}

/** Who is meant by an invocation of 0.x. @throws LatticeError LINK_ABSENT when nothing links the two. */
export function entityTarget({ origin, target }: { origin: WireEntity; target: WireEntity }, tables: Tables): Target {
  if (isActorEntity(target) && target.contractId === "") return { kind: "actor", key: target.publicKey };
  return targetOfLink(origin.publicKey, target, tables);
}

/**
 * A provider, as the link of `actor` to it names it: the provider's own link name may be another.
 * @throws LatticeError LINK_ABSENT.
 */
export function targetOfLink(actor: string, provider: WireEntity, tables: Tables): Target {
  const link = tables.findLinkTo(actor, provider);
  if (!link) {
    const { contractId, linkName } = provider;
    // Behind its link another one serves now, and nobody here knows that it came in the place of the one that is meant.
    const other = tables.findLinkOf(actor, contractId, linkName)?.provider;
    if (other) other.refused++;
    throw fail("LINK_ABSENT", tables.known(actor)?.name ?? actor, contractId, linkName);
  }
  return { kind: "contract", contractId: link.spec.contractId, linkName: link.spec.linkName };
}

/** Whether a provider has a subject of 0.x: what has no key of its kind, or an odd link name, is known to our own hosts only. */
export function hasSubject(key: string, linkName: string): boolean {
  return isPublicKey(key, "service") && isSubjectName(linkName);
}
