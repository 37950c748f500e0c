import { createHash, type Hash } from "node:crypto";
import { fail, failFrom, isLatticeError } from "../../lattice/index.ts";
import { collect, fetchReason, type OnProgress } from "../transfer.ts";
import { candidates, manifestTypes, moduleLayer, parseManifest, type Descriptor } from "./manifest.ts";
import { parseOciReference } from "./reference.ts";
import { type Registries, registriesFromEnvironment } from "./registries.ts";
import { RegistrySession } from "./session.ts";

export interface PullOptions {
  /** Largest module or archive, in bytes. */
  readonly maxBytes: number;
  /** For the whole pull, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  /** Default: what the environment says, `registriesFromEnvironment`. */
  readonly registries?: Registries;
}

export interface PulledArtifact {
  readonly bytes: Uint8Array;
  /** The reference in its one form. */
  readonly origin: string;
  /** Digest of the manifest it came from: `registry/repository@digest` names the same bytes for ever. */
  readonly digest: string;
  /** Of the layer; tools disagree, so look at the bytes. */
  readonly mediaType: string;
}

const maxManifestBytes = 4 * 1024 * 1024;
/** Entries of an index that are looked into. */
const maxCandidates = 8;

/**
 * Fetches the module or archive behind an OCI reference. Each digest is computed while the bytes come; the
 * signature inside is for `ActorModule` and `verifyArchive`.
 * @throws LatticeError OCI_REFERENCE_INVALID, OCI_LATEST_REFUSED, OCI_UNAUTHORIZED, OCI_ABSENT, OCI_PLAIN_HTTP,
 * OCI_NO_MODULE, OCI_DIGEST_MISMATCH, MODULE_TOO_LARGE, FETCH_FAILED.
 */
export async function pullArtifact(text: string, options: PullOptions): Promise<PulledArtifact> {
  const reference = parseOciReference(text);
  const { timeoutMs = 60_000, registries = registriesFromEnvironment() } = options;
  if (reference.tag === "latest" && reference.digest === undefined && registries.allowLatest !== true)
    throw fail("OCI_LATEST_REFUSED", reference.text);
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const origin = reference.text;
  try {
    const session = new RegistrySession(reference, registries, signal);
    const { layer, digest } = await findLayer(session, origin, reference.digest ?? reference.tag ?? "");
    if (layer.size > options.maxBytes) throw fail("MODULE_TOO_LARGE", origin, layer.size, options.maxBytes);
    const bytes = await readLayer(session, origin, layer, options.onProgress);
    return { bytes, origin, digest, mediaType: layer.mediaType };
  } catch (error) {
    if (isLatticeError(error)) throw error;
    if (timeout.aborted) throw failFrom(error, "FETCH_FAILED", origin, `it took longer than ${timeoutMs} ms`);
    throw failFrom(error, "FETCH_FAILED", origin, fetchReason(error));
  }
}

async function findLayer(
  session: RegistrySession,
  origin: string,
  start: string,
): Promise<{ readonly layer: Descriptor; readonly digest: string }> {
  const first = await readManifest(session, origin, start);
  if (first.manifest.kind === "artifact") {
    const layer = moduleLayer(first.manifest.layers);
    if (layer === undefined) throw fail("OCI_NO_MODULE", origin, typesOf(first.manifest.layers));
    return { layer, digest: first.digest };
  }
  for (const { digest } of candidates(first.manifest.manifests).slice(0, maxCandidates)) {
    const { manifest } = await readManifest(session, origin, digest);
    const layer = manifest.kind === "artifact" ? moduleLayer(manifest.layers) : undefined;
    if (layer !== undefined) return { layer, digest };
  }
  throw fail("OCI_NO_MODULE", origin, `an index of ${first.manifest.manifests.length} manifests without one`);
}

async function readManifest(session: RegistrySession, origin: string, which: string) {
  const response = await session.get(`manifests/${which}`, manifestTypes.join(", "));
  const bytes = await collect(response.body, `the manifest of ${origin}`, maxManifestBytes);
  const said = which.includes(":") ? which : (response.headers.get("docker-content-digest") ?? undefined);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (said !== undefined) checkDigest(origin, said, algorithm(origin, said).update(bytes));
  const manifest = parseManifest(Buffer.from(bytes).toString("utf8"));
  if (manifest === undefined) throw fail("OCI_NO_MODULE", origin, "something that is no manifest");
  return { manifest, digest: said ?? digest };
}

async function readLayer(
  session: RegistrySession,
  origin: string,
  { digest, size }: Descriptor,
  onProgress: OnProgress | undefined,
): Promise<Uint8Array> {
  const hash = algorithm(origin, digest);
  const response = await session.get(`blobs/${digest}`, "*/*");
  const bytes = await collect(response.body, origin, size, (piece, received) => {
    hash.update(piece);
    onProgress?.(received, size);
  });
  checkDigest(origin, digest, hash);
  return bytes;
}

/** @throws LatticeError OCI_DIGEST_MISMATCH for a digest that cannot be checked. */
function algorithm(origin: string, digest: string): Hash {
  const name = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest) ? digest.split(":")[0] : undefined;
  if (name === undefined) throw fail("OCI_DIGEST_MISMATCH", origin, "a digest of no known kind", digest.slice(0, 100));
  return createHash(name);
}

function checkDigest(origin: string, wanted: string, hash: Hash): void {
  const found = `${wanted.split(":")[0]}:${hash.digest("hex")}`;
  if (found !== wanted) throw fail("OCI_DIGEST_MISMATCH", origin, found, wanted);
}

function typesOf(layers: readonly Descriptor[]): string {
  if (layers.length === 0) return "no layers";
  const types = [...new Set(layers.map(({ mediaType }) => mediaType))].slice(0, 5);
  return `${layers.length} layers (${types.join(", ")})`;
}
