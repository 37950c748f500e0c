import {
  checkDates,
  checkKeyKind,
  decodeActorClaims,
  decodeProviderClaims,
  decodeToken,
  describe,
  fail,
  failFrom,
  isLatticeError,
  printTime,
  verifyToken,
} from "../lattice/index.ts";
import type { ActorClaims, Era, ErrorCode, GuestLanguage, KeyKind, ProviderClaims } from "../lattice/index.ts";
import { isGzip, readArchive, targetHash } from "./archive/read.ts";
import { isTar } from "./archive/tar.ts";
import { readComponentOutline } from "./component-outline.ts";
import { detectEra, isWapc } from "./era-detection.ts";
import { isTokenSection, matchHash, minimalHash } from "./module-hash.ts";
import { readModuleToken } from "./module.ts";
import type { Trust } from "./module.ts";
import { readOutline } from "./outline.ts";
import type { MemoryOutline, Outline } from "./outline.ts";
import { readSections, sectionId } from "./sections.ts";
import type { WasmFile } from "./sections.ts";
import { defaultMaxModuleBytes } from "./sources.ts";

export type ModuleKind = "actor" | "component" | "command" | "archive" | "unknown";

export interface InspectProblem {
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Everything that can be known of a file without running it, in the words of `lattice inspect -o
 * json`. What is not known is null. Times are ISO 8601. Nothing here is trusted by anybody: claims
 * are shown also when the signature is wrong, `valid` and `problems` say so.
 */
export interface ModuleReport {
  readonly kind: ModuleKind;
  readonly era: Era | null;
  readonly language: GuestLanguage | null;
  /** M key; V key of an archive. */
  readonly module: string | null;
  readonly account: string | null;
  readonly name: string | null;
  readonly version: string | null;
  readonly revision: number | null;
  readonly call_alias: string | null;
  /** Contract ids; of an archive the one contract it provides. */
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  readonly issued_at: string | null;
  readonly expires_at: string | null;
  readonly not_before: string | null;
  /** The hash in the token. */
  readonly hash: string | null;
  /** True when a host with this trust would load it, or, of an archive, when all of it is as signed. */
  readonly valid: boolean;
  readonly problems: readonly InspectProblem[];
  readonly imports: readonly { readonly module: string; readonly name: string; readonly kind: string }[];
  readonly exports: readonly { readonly name: string; readonly kind: string }[];
  /** Bytes of the file. */
  readonly size: number;
  /** The same without name, debug and other custom sections, token apart. */
  readonly size_without_debug: number | null;
  readonly memory: {
    readonly initial_bytes: number;
    readonly maximum_bytes: number | null;
    readonly imported: boolean;
  } | null;
  readonly portable_provider: boolean;
  readonly vendor: string | null;
  /** Of an archive, for example `x86_64-linux`. */
  readonly targets: readonly string[];
}

type Draft = { -readonly [Field in keyof ModuleReport]: ModuleReport[Field] };

/** Never throws on bad input: what is wrong with it stands in `problems`. `name` is what messages call it. */
export function inspectModule(bytes: Uint8Array, name: string, trust: Trust = {}): ModuleReport {
  const draft: Draft = { ...nothing, size: bytes.length };
  const problems: InspectProblem[] = [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      const known = isLatticeError(error) ? error : failFrom(error, "MODULE_MALFORMED", name, describe(error));
      if (!problems.some(({ code, message }) => code === known.code && message === known.message))
        problems.push({ code: known.code, message: known.message });
      return undefined;
    }
  };
  const limit = trust.maxModuleBytes ?? defaultMaxModuleBytes;
  if (isGzip(bytes) || isTar(bytes)) inspectArchive(draft, bytes, name, trust, attempt);
  else {
    if (bytes.length > limit) attempt(() => refuse(fail("MODULE_TOO_LARGE", name, bytes.length, limit)));
    const wasm = attempt(() => readSections(bytes, name));
    if (wasm !== undefined) inspectWasm(draft, bytes, wasm, name, trust, attempt);
  }
  return { ...draft, problems, valid: problems.length === 0 };
}

type Attempt = <T>(work: () => T) => T | undefined;

const nothing: Omit<ModuleReport, "size"> = {
  kind: "unknown",
  era: null,
  language: null,
  module: null,
  account: null,
  name: null,
  version: null,
  revision: null,
  call_alias: null,
  capabilities: [],
  tags: [],
  issued_at: null,
  expires_at: null,
  not_before: null,
  hash: null,
  valid: false,
  problems: [],
  imports: [],
  exports: [],
  size_without_debug: null,
  memory: null,
  portable_provider: false,
  vendor: null,
  targets: [],
};

function inspectWasm(
  draft: Draft,
  bytes: Uint8Array,
  wasm: WasmFile,
  name: string,
  trust: Trust,
  attempt: Attempt,
): void {
  const debugBytes = wasm.sections
    .filter((section) => section.id === sectionId.custom && !isTokenSection(section))
    .reduce((sum, section) => sum + section.end - section.start, 0);
  draft.size_without_debug = bytes.length - debugBytes;
  const token = attempt(() => readModuleToken(bytes, wasm, name));
  const claims = token === undefined ? undefined : attempt(() => decodeActorClaims(token, name));
  if (claims !== undefined) showActorClaims(draft, claims);
  if (token !== undefined) verifyShown(token, "module", name, trust, attempt);
  if (wasm.kind === "component") {
    draft.kind = "component";
    const world = readComponentOutline(bytes, wasm, name);
    draft.imports = world.imports.map((item) => ({ module: "", ...item }));
    draft.exports = world.exports;
    if (claims !== undefined)
      attempt(() => {
        if (minimalHash(bytes, name) !== claims.hash) refuse(fail("MODULE_TAMPERED", name));
      });
    attempt(() => refuse(fail("MODULE_IS_COMPONENT", name)));
    return;
  }
  if (claims !== undefined) attempt(() => checkHash(bytes, wasm, claims.hash, name));
  const outline = attempt(() => readOutline(bytes, wasm, name));
  if (outline === undefined) return;
  draft.imports = outline.imports.map(({ module, name: item, kind }) => ({ module, name: item, kind }));
  draft.exports = outline.exports;
  draft.memory = showMemory(outline.memory);
  draft.kind = kindOf(outline);
  if (draft.kind === "unknown") attempt(() => refuse(fail("MODULE_EXPORT_MISSING", name, "__guest_call")));
  if (draft.kind !== "actor") return;
  const profile = detectEra(bytes, wasm, name, claims, outline);
  draft.era = profile.era;
  draft.language = profile.language;
}

function kindOf(outline: Outline): ModuleKind {
  const exports = new Set(outline.exports.map(({ name }) => name));
  if (isWapc(outline) || exports.has("__guest_call")) return "actor";
  return exports.has("_start") ? "command" : "unknown";
}

function checkHash(bytes: Uint8Array, wasm: WasmFile, hash: string, name: string): void {
  const match = matchHash(bytes, wasm, hash, name);
  if (match === "partial") throw fail("MODULE_HASH_PARTIAL", name);
  if (match === "none") throw fail("MODULE_TAMPERED", name);
}

/** Signature, key kinds, dates and issuer, each on its own, so that all problems show at once. */
function verifyShown(text: string, kind: KeyKind, name: string, trust: Trust, attempt: Attempt): void {
  const token = attempt(() => decodeToken(text, name));
  if (token === undefined) return;
  attempt(() => verifyToken(text, name));
  attempt(() => checkKeyKind(token, "iss", "account", name));
  attempt(() => checkKeyKind(token, "sub", kind, name));
  attempt(() => checkDates(token, trust.now, name));
  if (trust.issuers !== undefined && !trust.issuers.includes(token.issuer))
    attempt(() => refuse(fail("ISSUER_NOT_ALLOWED", name, token.issuer)));
}

function inspectArchive(draft: Draft, bytes: Uint8Array, name: string, trust: Trust, attempt: Attempt): void {
  const archive = attempt(() => readArchive(bytes, name));
  if (archive === undefined) return;
  const { token, binaries } = archive;
  draft.targets = [...binaries.keys()].toSorted();
  if (token === undefined) {
    attempt(() => refuse(fail("ARCHIVE_MALFORMED", name, "it has no claims.jwt")));
    return;
  }
  draft.kind = "archive";
  if (binaries.size === 0) attempt(() => refuse(fail("ARCHIVE_MALFORMED", name, "it has no binary")));
  const claims = attempt(() => decodeProviderClaims(token, name));
  verifyShown(token, "service", name, trust, attempt);
  if (claims === undefined) return;
  showProviderClaims(draft, claims);
  for (const [target, binary] of binaries)
    if (claims.targetHashes.get(target) !== targetHash(binary))
      attempt(() => refuse(fail("ARCHIVE_TAMPERED", name, target)));
}

function showActorClaims(draft: Draft, claims: ActorClaims): void {
  showCommon(draft, claims);
  draft.call_alias = claims.callAlias ?? null;
  draft.capabilities = claims.capabilities;
  draft.tags = claims.tags;
  draft.hash = claims.hash;
  draft.portable_provider = claims.portableProvider;
}

function showProviderClaims(draft: Draft, claims: ProviderClaims): void {
  showCommon(draft, claims);
  draft.capabilities = [claims.contractId];
  draft.vendor = claims.vendor;
}

function showCommon(draft: Draft, claims: ActorClaims | ProviderClaims): void {
  draft.module = claims.key;
  draft.account = claims.issuer;
  draft.name = claims.name;
  draft.version = claims.version ?? null;
  draft.revision = claims.revision ?? null;
  draft.issued_at = printTime(claims.issuedAt);
  draft.expires_at = claims.expiresAt === undefined ? null : printTime(claims.expiresAt);
  draft.not_before = claims.notBefore === undefined ? null : printTime(claims.notBefore);
}

const pageBytes = 65_536;

function showMemory(memory: MemoryOutline | undefined): ModuleReport["memory"] {
  if (memory === undefined) return null;
  const { minPages, maxPages, imported } = memory;
  return {
    initial_bytes: minPages * pageBytes,
    maximum_bytes: maxPages === undefined ? null : maxPages * pageBytes,
    imported,
  };
}

function refuse(error: Error): never {
  throw error;
}
