import { findBuiltin } from "../../capabilities/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { limitTable } from "../limits.ts";
import type { StartRequest } from "../parts.ts";
import { isBuiltinReference } from "./provider-references.ts";
import type { Desk } from "./desk.ts";

/** Why this host does not bid, for its log; undefined when nothing that it knows stands against it. */
export type Why = string | undefined;

/** What stands against starting an actor here, by what is known of it without fetching it. */
export async function againstActor(
  desk: Desk,
  reference: string,
  constraints: Readonly<Record<string, string>>,
): Promise<Why> {
  return unwilling(desk, reference, constraints) ?? noRoom(roomOf(desk)) ?? (await againstClaims(desk, reference));
}

/** The same of a provider under a link name. */
export async function againstProvider(
  desk: Desk,
  reference: string,
  linkName: string,
  constraints: Readonly<Record<string, string>>,
): Promise<Why> {
  const { host, claims, unable } = desk;
  const builtin = findBuiltin(reference);
  const key = builtin?.key ?? claims.keyOfReference(reference);
  for (const { reference: from, spec } of host.wanted.providers.values()) {
    if (spec.linkName !== linkName) continue;
    if (from === reference) return "it runs here";
    if (spec.key === key) return `it runs here from ${from}`;
  }
  if (isBuiltinReference(reference) === false) return "it is none of ours";
  const why = unwilling(desk, reference, constraints) ?? unable.why(reference);
  if (why !== undefined) return why;
  const known = key === undefined ? undefined : claims.provider(key);
  const { name, contractId } = builtin ?? known ?? {};
  if (key === undefined || name === undefined || contractId === undefined) return undefined;
  const { issuer = "", issuedAt, expiresAt } = known ?? {};
  const request = { provider: key, name, contractId, linkName, issuer, issuedAt, expiresAt };
  return denied(desk, { action: "start_provider", ...request });
}

/** What room there is for one more instance. */
export interface Room {
  readonly instancesLeft: number;
  /** Most that one instance may have. */
  readonly memoryBytes: number;
  readonly freeBytes: number;
}

/** An instance seldom grows to a limit that was raised, so no more than the usual one must be free. */
export function noRoom({ instancesLeft, memoryBytes, freeBytes }: Room): Why {
  if (instancesLeft < 1) return "it has no instance left";
  return freeBytes < Math.min(memoryBytes, limitTable.memoryBytes.default) ? "its memory is full" : undefined;
}

function roomOf({ host: { fleet, config } }: Desk): Room {
  const { memoryBytes } = config.limits;
  return { instancesLeft: fleet.instancesLeft, memoryBytes, freeBytes: process.availableMemory() };
}

function unwilling({ host }: Desk, reference: string, constraints: Readonly<Record<string, string>>): Why {
  if (host.state !== "running") return `the host is ${host.state}`;
  if (!host.labels.satisfy(constraints)) return "its labels do not fit";
  const file = /^file:/i.test(reference) && !host.config.membership.allowFiles;
  return file ? "it takes no files" : undefined;
}

/** By what runs here from it, or else by what the lattice knows it to be. */
async function againstClaims(desk: Desk, reference: string): Promise<Why> {
  const { host } = desk;
  const placements = [...host.wanted.placements.values()];
  const own = placements.find((record) => record.reference === reference)?.spec.module;
  const key = own?.key ?? desk.claims.keyOfReference(reference);
  const claims = own?.claims ?? (key === undefined ? undefined : desk.claims.get(key));
  if (!claims) return undefined;
  const other = own ? undefined : placements.find(({ spec }) => spec.module.key === claims.key);
  if (other) return `it runs here from ${other.reference}`;
  const { name, issuer, capabilities, expiresAt } = claims;
  if (host.config.issuers && !host.config.issuers.includes(issuer)) return "its issuer is not allowed here";
  if (expiresAt !== undefined && expiresAt * 1_000 <= Date.now()) return "its token has expired";
  return denied(desk, { action: "start_actor", actor: claims.key, name, issuer, capabilities });
}

async function denied({ host }: Desk, request: StartRequest): Promise<Why> {
  try {
    await host.askToStart(request);
    return undefined;
  } catch (error) {
    return isLatticeError(error) ? error.message : "the policy did not decide";
  }
}
