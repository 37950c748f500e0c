import { referenceKind, verifyArchive } from "../../actors/index.ts";
import { findBuiltin } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";
import type { HostConfig } from "../options.ts";
import { ArchiveProvider } from "./archive-provider.ts";

/** Whether a provider reference means an archive: an image, a URL, or a file that ends as archives do. */
export function isArchiveReference(reference: string): boolean {
  if (findBuiltin(reference)) return false;
  return referenceKind(reference) !== "file" || /^file:|\.par(\.gz)?$/i.test(reference);
}

/**
 * The provider of an archive, verified as this host trusts and not started yet.
 * @throws LatticeError as `verifyArchive`; PRECONDITION on a host without NATS.
 */
export function openArchive(bytes: Uint8Array, origin: string, hostId: string, config: HostConfig): ArchiveProvider {
  const { issuers, limits, membership, stateDirectory } = config;
  const trust = { ...(issuers ? { issuers } : {}), maxModuleBytes: limits.moduleBytes };
  const archive = verifyArchive(bytes, { name: origin, trust });
  const nats = membership.nats?.rpc;
  if (!nats)
    throw fail(
      "PRECONDITION",
      `${archive.claims.name} is a provider archive, which speaks over NATS: start the host with --nats`,
    );
  return new ArchiveProvider(archive, { nats, hostId, stateDirectory, rpcTimeoutMs: limits.rpcTimeoutMs });
}
