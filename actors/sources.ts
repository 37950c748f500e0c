import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fail, failFrom, fileTrouble, isLatticeError } from "../lattice/index.ts";
import { pullArtifact } from "./oci/pull.ts";
import { isBareOciReference, isOciReference } from "./oci/reference.ts";
import type { Registries } from "./oci/registries.ts";
import { collect, fetchReason, type OnProgress } from "./transfer.ts";

/**
 * Where the bytes of a module or archive come from: a reference is a file, `-` for standard input, an https URL,
 * or an artifact in a registry.
 */

export const defaultMaxModuleBytes = 64 * 1024 * 1024;

export interface FetchOptions {
  /** Default 64 MiB. */
  readonly maxBytes?: number;
  /** For the whole transfer from a URL or a registry, in milliseconds. Default 60 000. */
  readonly timeoutMs?: number;
  /** Called as bytes arrive from a URL or a registry. */
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  /** What `-` reads. Default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Credentials and exceptions of registries. Default: those of the environment. */
  readonly registries?: Registries;
  /** False refuses files and standard input: for references that came from elsewhere. Default true. */
  readonly files?: boolean;
}

export interface FetchedModule {
  readonly bytes: Uint8Array;
  /** What messages call it: the path, `standard input`, the URL without credentials and query, or the OCI reference. */
  readonly origin: string;
  /** Of an artifact, the digest of its manifest. */
  readonly digest?: string;
}

const maxRedirects = 5;

/**
 * Fetches the bytes of a reference and verifies nothing: give them to `ActorModule.fromBytes`.
 * Plain http is for this machine's own addresses only.
 * @throws LatticeError REFERENCE_UNKNOWN for every other kind, FILE_ABSENT, FILE_UNREADABLE,
 * MODULE_TOO_LARGE (a transfer stops at the limit), FETCH_FAILED, and those of `pullArtifact`.
 */
export async function fetchModule(reference: string, options: FetchOptions = {}): Promise<FetchedModule> {
  const limit = options.maxBytes ?? defaultMaxModuleBytes;
  if (isOciReference(reference)) return await pullArtifact(reference, { ...options, maxBytes: limit });
  const kind = referenceKind(reference);
  if (options.files === false && kind === "file") {
    if (!isBareOciReference(reference)) throw fail("REFERENCE_UNKNOWN", reference);
    return await pullArtifact(reference, { ...options, maxBytes: limit });
  }
  if (reference === "-") {
    const origin = "standard input";
    return { bytes: await collect(options.stdin ?? process.stdin, origin, limit), origin };
  }
  if (kind === "url") return await fetchUrl(new URL(reference), reference, limit, options);
  const path = reference.startsWith("file:") ? filePath(new URL(reference), reference) : reference;
  return await fetchFile(path, limit, options);
}

/** Who can fetch it: `file` only who sees the file system it is meant on (standard input included), the rest anybody. */
export function referenceKind(reference: string): "file" | "url" | "oci" {
  if (isOciReference(reference)) return "oci";
  if (!URL.canParse(reference) || !/^[a-z][a-z0-9+.-]*:\/\//i.test(reference)) return "file";
  return new URL(reference).protocol === "file:" ? "file" : "url";
}

/**
 * The whole file, at most `limit` bytes; pipes and devices are read up to it.
 * @throws LatticeError FILE_ABSENT, FILE_UNREADABLE, MODULE_TOO_LARGE.
 */
export async function readModuleFile(path: string, limit: number = defaultMaxModuleBytes): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile() && !found.isDirectory()) return await collect(createReadStream(path), path, limit);
    if (found.size > limit) throw fail("MODULE_TOO_LARGE", path, found.size, limit);
    const content = await readFile(path);
    return new Uint8Array(content.buffer, content.byteOffset, content.length);
  } catch (error) {
    if (isLatticeError(error)) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw code === "ENOENT" || code === "ENOTDIR"
      ? fail("FILE_ABSENT", path)
      : failFrom(error, "FILE_UNREADABLE", path, fileTrouble(error));
  }
}

async function fetchFile(path: string, limit: number, options: FetchOptions): Promise<FetchedModule> {
  try {
    return { bytes: await readModuleFile(path, limit), origin: path };
  } catch (error) {
    if (!isLatticeError(error) || error.code !== "FILE_ABSENT") throw error;
    if (isBareOciReference(path)) return await pullArtifact(path, { ...options, maxBytes: limit });
    throw looksRemote(path) ? fail("REFERENCE_UNKNOWN", path) : error;
  }
}

/** `builtin:...`, or registry/name:tag as registries write it and nobody names a module file. */
function looksRemote(reference: string): boolean {
  return (
    reference.startsWith("builtin:") ||
    /^[a-z0-9][\w.-]*(?::\d+)?\/[\w./-]+(?::[\w.-]+|@sha256:[0-9a-f]+)$/.test(reference)
  );
}

function filePath(url: URL, reference: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw fail("REFERENCE_UNKNOWN", reference);
  }
}

async function fetchUrl(url: URL, reference: string, limit: number, options: FetchOptions): Promise<FetchedModule> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const origin = printable(url, reference);
  try {
    const response = await followRedirects(url, origin, signal);
    if (!response.ok || response.body === null)
      throw fail("FETCH_FAILED", origin, `the server answered ${response.status} ${response.statusText}`.trim());
    // The length counts the bytes on the wire, so it says nothing where they are compressed.
    const length = response.headers.has("content-encoding")
      ? NaN
      : Number(response.headers.get("content-length") ?? NaN);
    if (length > limit) throw fail("MODULE_TOO_LARGE", origin, length, limit);
    const total = Number.isNaN(length) ? undefined : length;
    const bytes = await collect(response.body, origin, limit, (_, received) => options.onProgress?.(received, total));
    return { bytes, origin };
  } catch (error) {
    if (isLatticeError(error)) throw error;
    if (timeout.aborted) throw failFrom(error, "FETCH_FAILED", origin, `it took longer than ${timeoutMs} ms`);
    throw failFrom(error, "FETCH_FAILED", origin, fetchReason(error));
  }
}

/** Each step is checked like the first, so that no server can send us to a place we would refuse. */
async function followRedirects(start: URL, origin: string, signal: AbortSignal): Promise<Response> {
  let url = start;
  for (let step = 0; step <= maxRedirects; step++) {
    if (!mayFetch(url)) throw fail("REFERENCE_UNKNOWN", printable(url, origin));
    const response = await fetch(plainUrl(url), { redirect: "manual", signal, headers: authorization(url) });
    const next = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    if (next === null) return response;
    await response.body?.cancel();
    if (!URL.canParse(next, url)) throw fail("FETCH_FAILED", origin, "it was redirected to no address");
    url = new URL(next, url);
  }
  throw fail("FETCH_FAILED", origin, `it was redirected more than ${maxRedirects} times`);
}

function mayFetch({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}

/** `fetch` refuses credentials in a URL; they go into a header instead. */
function authorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function plainUrl(url: URL): URL {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  return plain;
}

/** Credentials and query, where signatures of storage services stand, stay out of messages. */
function printable(url: URL, otherwise: string): string {
  return url.host === "" ? otherwise : `${url.protocol}//${url.host}${url.pathname}`;
}
