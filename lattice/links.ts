import { createHash } from "node:crypto";

/** The link name meant when none is said. */
export const defaultLinkName = "default";

/**
 * A link: this actor may use this provider under this contract and name, with these values.
 * Unique by (actor, contract, link name); putting it again with another provider replaces it.
 */
export interface LinkDefinition {
  /** M key of the actor. */
  readonly actor: string;
  /** V key of the provider. */
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
  /** Opaque to the host; the provider checks them when the link is put. Bounded: 256 entries, 64 KiB in all. */
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Identity of a link: upper-case hex SHA-256 of actor, contract and link name.
 * Source: waPC and actors reference, section 13.
 */
export function linkId(link: Pick<LinkDefinition, "actor" | "contractId" | "linkName">): string {
  return createHash("sha256")
    .update(link.actor + link.contractId + link.linkName)
    .digest("hex")
    .toUpperCase();
}
