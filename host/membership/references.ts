import { createHash } from "node:crypto";
import type { PreparedModule } from "../../actors/index.ts";
import { fail, type LatticeConnection } from "../../lattice/index.ts";
import type { Host } from "../host.ts";

/** Object store of modules that clients bring along; `store:sha256:HEX` names one by its digest. */
export function moduleStore(lattice: string): string {
  return `MODULES_${lattice}`;
}

const stored = /^store:(sha256:[0-9a-f]{64})$/;

/**
 * The module that the lattice means by a reference: an image, an https URL, or what a client left in the
 * lattice's own store. Files of this host only as `file://`, and only when it opted in (`allowFiles`).
 * @throws LatticeError REFERENCE_REFUSED, FETCH_FAILED, BLOB_CORRUPT when the store holds another module by that name, and those of `Host.fetch` and `Host.load`.
 */
export async function resolveReference(
  reference: string,
  host: Host,
  connection: LatticeConnection,
): Promise<PreparedModule> {
  const name = stored.exec(reference)?.[1];
  if (name !== undefined) {
    const { lattice, limits } = host.config;
    const bytes = await connection.blobs(moduleStore(lattice)).get(name, limits.moduleBytes);
    if (!bytes) throw fail("FETCH_FAILED", reference, "the store of the lattice does not hold it");
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (digest !== name) throw fail("BLOB_CORRUPT", name);
    return host.load(bytes, reference);
  }
  const isFile = /^file:/i.test(reference);
  if (isFile && !host.config.membership.allowFiles) throw fail("REFERENCE_REFUSED", reference);
  const { bytes, origin } = await host.fetch(reference, { files: isFile });
  return host.load(bytes, origin);
}
