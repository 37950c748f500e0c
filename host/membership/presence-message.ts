import { fail, isPublicKey, type KeyPair } from "../../lattice/index.ts";
import type { PeerHost } from "../remote/peers.ts";
import { verifyOnce } from "./proven-lately.ts";

/** What a host tells our other hosts of itself. */
export interface Presence extends PeerHost {
  /** Milliseconds until the next one at the latest. */
  readonly everyMs: number;
  /** When it was made, in milliseconds since 1970: of two the younger counts. */
  readonly at: number;
  /** It leaves. */
  readonly gone?: boolean;
  /** Which of how many messages this is, from 0; one that is whole has neither. */
  readonly part?: number;
  readonly parts?: number;
}

/** Header with the host's signature over the whole message, so that nobody speaks for another. */
export const signatureHeader = "Lattice-Signature";

/** Bounds against hostile messages. */
const mostBytes = 1_048_576;
export const mostRows = 20_000;
/** A longer promise would keep a host known after it is gone. */
const longestEveryMs = 3_600_000;

export function signPresence(presence: Presence, key: KeyPair): { payload: Uint8Array; signature: string } {
  const payload = Buffer.from(JSON.stringify(presence));
  return { payload, signature: Buffer.from(key.sign(payload)).toString("base64url") };
}

/**
 * Reads a presence that its host signed.
 * @throws LatticeError PRESENCE_INVALID saying what is wrong.
 */
export function readPresence(payload: Uint8Array, signature: string | undefined): Presence {
  if (payload.length > mostBytes) throw fail("PRESENCE_INVALID", `it has ${payload.length} bytes`);
  let found: unknown;
  try {
    found = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    throw fail("PRESENCE_INVALID", "it is no JSON");
  }
  if (!isObject(found)) throw fail("PRESENCE_INVALID", "it is no object");
  const { host } = found;
  if (typeof host !== "string" || !isPublicKey(host, "server")) throw fail("PRESENCE_INVALID", "it names no host");
  if (signature === undefined || !verifyOnce(host, payload, signature))
    throw fail("PRESENCE_INVALID", `it is not signed by ${host}`);
  if (!hasShape(found)) throw fail("PRESENCE_INVALID", `that of ${host} lacks a member or has a wrong one`);
  return found;
}

/** Anybody can sign with a host key of his own; whose counts is decided by the hello inside. */
function hasShape(found: Record<string, unknown>): found is Record<string, unknown> & Presence {
  const { name, version, labels, hello, places, rpc, draining, actors, providers, everyMs, at, part, parts } = found;
  return (
    [part, parts].every((each) => each === undefined || typeof each === "number") &&
    [name, version, hello].every((each) => typeof each === "string") &&
    isObject(labels) &&
    Object.values(labels).every((each) => typeof each === "string") &&
    isTexts(places) &&
    typeof rpc === "string" &&
    ["session", "wasmcloud", "both"].includes(rpc) &&
    typeof draining === "boolean" &&
    typeof everyMs === "number" &&
    everyMs > 0 &&
    everyMs <= longestEveryMs &&
    Number.isFinite(at) &&
    isRows(actors) &&
    actors.every(isActor) &&
    isRows(providers) &&
    providers.every(isProvider)
  );
}

function isActor(row: Record<string, unknown>): boolean {
  const { key, alias, name, issuer, era, language, capabilities, tags, since, placements, room, queue } = row;
  return (
    typeof key === "string" &&
    isPublicKey(key, "module") &&
    (alias === undefined || typeof alias === "string") &&
    [name, issuer, era, language].every((each) => typeof each === "string") &&
    [capabilities, tags, placements].every(isTexts) &&
    [since, room, queue].every((each) => Number.isFinite(each))
  );
}

function isProvider({ key, linkName, contractId, name, draining, swap }: Record<string, unknown>): boolean {
  return (
    [key, linkName, contractId, name].every((each) => typeof each === "string" && each.length <= 1_024) &&
    (draining === undefined || typeof draining === "boolean") &&
    (swap === undefined || (typeof swap === "string" && swap.length <= 1_024))
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= mostRows && value.every((each) => typeof each === "string");
}

function isRows(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length <= mostRows && value.every(isObject);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
