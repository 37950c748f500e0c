import { nodeTarget, referenceKind, verifyArchive } from "../../actors/index.ts";
import { findBuiltin, type Provider } from "../../capabilities/index.ts";
import { fail, type LatticeError } from "../../lattice/index.ts";
import type { HostConfig } from "../options.ts";
import { noteClaims } from "./archive-claims.ts";
import { ArchiveProvider } from "./archive-provider.ts";
import { NodeArchiveProvider } from "./node-archive.ts";

/** Whether a provider reference means an archive: an image, a URL, or a file that ends as archives do. */
export function isArchiveReference(reference: string): boolean {
  if (findBuiltin(reference)) return false;
  return referenceKind(reference) !== "file" || /^file:|\.par(\.gz)?$/i.test(reference);
}

/**
 * The provider of an archive, verified as this host trusts and not started yet: of its module for Node when it has
 * one, else of its program for this machine. `onRefused` is told of messages to the program's host that are no calls.
 * @throws LatticeError as `verifyArchive`; PRECONDITION for a program on a host without NATS.
 */
export function openArchive(
  bytes: Uint8Array,
  origin: string,
  hostId: string,
  config: HostConfig,
  onRefused?: (error: LatticeError) => void,
): Provider & { readonly pid: number | undefined } {
  const { issuers, lattice, limits, membership, stateDirectory } = config;
  const trust = { ...(issuers ? { issuers } : {}), maxModuleBytes: limits.moduleBytes };
  const archive = verifyArchive(bytes, { name: origin, trust });
  const { claims } = archive;
  if (archive.binaries.has(nodeTarget)) return noteClaims(new NodeArchiveProvider(archive, stateDirectory), claims);
  // Source: lattice protocol reference, section 1.
  const nats = membership.nats?.provider ?? membership.nats?.rpc;
  if (!nats)
    throw fail(
      "PRECONDITION",
      `${claims.name} is a provider archive whose program speaks over NATS: start the host with --nats`,
    );
  const { rpcTimeoutMs, payloadBytes, archiveStopMs: stopMs } = limits;
  const told = onRefused ? { onRefused } : {};
  const options = { nats, hostId, stateDirectory, lattice, rpcTimeoutMs, payloadBytes, stopMs, ...told };
  return noteClaims(new ArchiveProvider(archive, options), claims);
}
