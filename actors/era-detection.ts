import { contractAliases, contractOf } from "../lattice/index.ts";
import type { ActorClaims, Capability, Era, GuestLanguage } from "../lattice/index.ts";
import { dataSection, readOutline } from "./outline.ts";
import type { Outline } from "./outline.ts";
import type { WasmFile } from "./sections.ts";

/**
 * Tells the era of a waPC module from its file, before anything runs.
 * Source: waPC and actors reference, section 4; the steps there are named below.
 */
export interface ModuleProfile {
  readonly era: Era;
  readonly language: GuestLanguage;
  /** Parameters of the imported `__host_call`: 8, older 6 and 4; 0 when it is not imported. */
  readonly hostCallParameters: number;
}

/** What of the claims takes part; an unsigned module has none. */
export type EraClaims = Pick<ActorClaims, "capabilities" | "issuedAt">;

/** From 2 April 2020 on structures are maps. */
const firstDayOfMaps = Date.UTC(2020, 3, 2) / 1000;

/** Runtime helpers that the AssemblyScript compiler exports; the first three until 2021, the rest since. */
const assemblyScriptExports: ReadonlySet<string> = new Set([
  "__alloc",
  "__retain",
  "__release",
  "__new",
  "__pin",
  "__unpin",
  "__collect",
  "__rtti_base",
]);

export function isWapc(outline: Outline): boolean {
  return outline.imports.some(({ module }) => module === "wapc" || module === "wasmbus");
}

/**
 * Reads the profile of a module; `claims` of a signed one sharpen it.
 * A module that imports neither `wapc` nor `wasmbus` gets the era its capabilities suggest.
 */
export function detectEra(
  bytes: Uint8Array,
  wasm: WasmFile,
  file: string,
  claims?: EraClaims,
  outline: Outline = readOutline(bytes, wasm, file),
): ModuleProfile {
  const hostCall = outline.imports.find((item) => item.name === "__host_call" && isGuestModule(item.module));
  const hostCallParameters = hostCall?.parameters ?? 0;
  const data = dataSection(bytes, wasm.sections);
  const language = detectLanguage(outline, data);
  const era = eraOf(outline, data, hostCallParameters, language, claims);
  return { era, language, hostCallParameters };
}

function eraOf(
  outline: Outline,
  data: Buffer,
  hostCallParameters: number,
  language: GuestLanguage,
  claims: EraClaims | undefined,
): Era {
  const has = (text: string): boolean => data.includes(text);
  // Step 1.
  if (outline.imports.some(({ module }) => module === "wasmbus")) return "E4";
  // Steps 2 and 3: protobuf.
  if (hostCallParameters === 4) return "E0";
  if (has("invalid varint") && !has("rmp")) return "E0";
  // Step 4.
  if (language === "assemblyscript") return "E2";
  // The six-parameter call ended on 31 March 2020, before structures became maps.
  if (hostCallParameters === 6) return "E1";
  // Step 5. A module that names only waSCC contracts was signed later with the newer names.
  if (has("wapc-guest-0.4") || has("wasmcloud-actor-")) return "E3";
  const capabilities = claims?.capabilities ?? [];
  const signed = (prefix: string): boolean => capabilities.some((id) => id.startsWith(prefix));
  const namesWascc = has("wascc:");
  const namesWasmcloud = has("wasmcloud:");
  if (signed("wasmcloud:")) {
    if (namesWasmcloud || !namesWascc) return "E3";
  } else if (namesWasmcloud && !namesWascc && !signed("wascc:")) return "E3";
  // Step 6: field names survive optimisation, since serde needs them when it runs.
  if (has("queryString") || has("replyTo") || has("serde_bytes")) return "E2";
  // Before maps the same fields were written as they stand in Rust; this tells E1 also when it was signed later.
  if ((namesWascc || signed("wascc:")) && (has("query_string") || has("reply_to"))) return "E1";
  // Step 7.
  if (has("rmp-")) return claims !== undefined && claims.issuedAt < firstDayOfMaps ? "E1" : "E2";
  // Step 8.
  return namesWascc || signed("wascc:") || signed("wascap:") ? "E2" : "E3";
}

/**
 * AssemblyScript shows by its exports, its abort import, or the UTF-16 text of its standard library;
 * Rust by the paths and words that panics carry.
 */
function detectLanguage(outline: Outline, data: Buffer): GuestLanguage {
  const runtimeExports = outline.exports.filter(({ name }) => assemblyScriptExports.has(name)).length;
  const aborts = outline.imports.some(({ module, name }) => module === "env" && name === "abort");
  if (runtimeExports >= 2 || aborts || data.includes(libraryPath)) return "assemblyscript";
  if (rustWords.some((word) => data.includes(word))) return "rust";
  return data.includes(handlerAbsent) ? "assemblyscript" : "other";
}

// As bytes: with an encoding, `includes` searches at even offsets only (and Node 26.10 did not come back from it).
const libraryPath = Buffer.from("~lib/", "utf16le");
const handlerAbsent = Buffer.from("Could not find function", "utf16le");
const rustWords = [".rs", "rustc", "Option::unwrap()", "Result::unwrap()", "capacity overflow"];

function isGuestModule(module: string): boolean {
  return module === "wapc" || module === "wasmbus";
}

/**
 * The contracts an unsigned waPC module seems to use: ids found in its data, and always the HTTP
 * server, whose id a handler does not carry. For development signing only; a signature says what was
 * meant, this guesses.
 */
export function guessCapabilities(bytes: Uint8Array, wasm: WasmFile, era: Era): string[] {
  const data = dataSection(bytes, wasm.sections);
  const used = wellKnown.filter((id) => data.includes(id) || data.includes(Buffer.from(id, "utf16le")));
  const server = era === "E3" || era === "E4" ? "wasmcloud:httpserver" : "wascc:http_server";
  return [...new Set([server, ...used])];
}

const capabilities: readonly Capability[] = [
  "httpserver",
  "httpclient",
  "keyvalue",
  "messaging",
  "blobstore",
  "eventstreams",
  "logging",
  "numbers",
];
const wellKnown = capabilities.flatMap((capability) => contractAliases(contractOf(capability)));
