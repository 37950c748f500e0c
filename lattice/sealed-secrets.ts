import { createRequire } from "node:module";
import type * as Nkeys from "nkeys.js";
import { fail } from "./errors.ts";
import { decodePublicKey, isPublicKey, KeyPair } from "./nkeys.ts";
import { checkStateKey } from "./state.ts";

/** Largest secret, in bytes of UTF-8. */
export const mostSecretBytes = 64 * 1024;
const mostRecipients = 64;

/** The bucket of a lattice's secrets: one entry each, sealed. */
export const secretsBucket = (lattice: string): string => `SECRETDATA_${lattice}`;

/** @throws LatticeError STATE_KEY_INVALID. */
export function checkSecretName(name: string): void {
  checkStateKey(name);
}

/** Who sealed an entry and for whom. */
export interface SealedSecret {
  /** X key, made for this entry alone. */
  readonly from: string;
  /** A box by X key of who can open it. */
  readonly to: ReadonlyMap<string, Uint8Array>;
}

/**
 * A text that only the holders of these X keys can read, as an entry of the bucket:
 * `{"from": X key, "to": {X key: box in base64}}`, each box as `xkey` of NATS seals (xkv1: X25519, XSalsa20-Poly1305).
 * Source: nkeys, xkeys.go; nkeys.js, curve.ts.
 * @throws LatticeError OPTION_OUT_OF_RANGE for a text of more than 64 KiB or other than 1 to 64 keys, KEY_MALFORMED, KEY_WRONG_KIND.
 */
export function sealSecret(text: string, recipients: readonly string[]): Uint8Array {
  const bytes = Buffer.from(text);
  if (bytes.length > mostSecretBytes)
    throw fail("OPTION_OUT_OF_RANGE", "the secret", `${bytes.length} bytes`, `at most ${mostSecretBytes} bytes`);
  const keys = [...new Set(recipients)];
  if (keys.length < 1 || keys.length > mostRecipients)
    throw fail("OPTION_OUT_OF_RANGE", "recipients", keys.length, `1 to ${mostRecipients} X keys`);
  for (const key of keys) {
    const { kind } = decodePublicKey(key);
    if (kind !== "curve") throw fail("KEY_WRONG_KIND", "curve (X)", `${kind} (${key[0]})`);
  }
  const sender = KeyPair.generate("curve");
  const curve = curveOf(sender);
  const to = keys.map((key) => [key, Buffer.from(curve.seal(bytes, key)).toString("base64")]);
  curve.clear();
  return Buffer.from(JSON.stringify({ from: sender.publicKey, to: Object.fromEntries(to) }));
}

/** Undefined when it is no such entry. Opens nothing. */
export function readSealedSecret(entry: Uint8Array): SealedSecret | undefined {
  try {
    const { from, to } = JSON.parse(Buffer.from(entry).toString("utf8")) as { from?: unknown; to?: unknown };
    if (typeof from !== "string" || !isPublicKey(from, "curve") || typeof to !== "object" || to === null)
      return undefined;
    const boxes = Object.entries(to).filter(([key, box]) => isPublicKey(key, "curve") && typeof box === "string");
    return { from, to: new Map(boxes.map(([key, box]) => [key, Buffer.from(box as string, "base64")])) };
  } catch {
    return undefined;
  }
}

/** What an entry says to the holder of `keys`, or why it says nothing; `problem` ends a sentence about it. */
export function openSecret(
  entry: Uint8Array,
  keys: readonly KeyPair[],
): { readonly text: string } | { readonly problem: string } {
  const sealed = readSealedSecret(entry);
  if (!sealed) return { problem: "is not what lattice secret put writes" };
  const pair = keys.find(({ publicKey }) => sealed.to.has(publicKey));
  if (!pair) {
    const held = keys.length === 0 ? "none" : keys.map(({ publicKey }) => publicKey).join(", ");
    return {
      problem: `is sealed for ${[...sealed.to.keys()].join(", ") || "nobody"}, and the keys held here are: ${held}`,
    };
  }
  const curve = curveOf(pair);
  try {
    const bytes = curve.open(sealed.to.get(pair.publicKey)!, sealed.from);
    if (bytes) return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    // Told below: whatever it was, it has been changed since it was sealed.
  } finally {
    curve.clear();
  }
  return { problem: `does not open with ${pair.publicKey}: it was altered` };
}

interface Curve {
  seal(bytes: Uint8Array, recipient: string): Uint8Array;
  open(box: Uint8Array, sender: string): Uint8Array | null;
  clear(): void;
}

const load = createRequire(import.meta.url);

/** Loaded with the first secret: most runs meet none. */
function curveOf(pair: KeyPair): Curve {
  const { fromCurveSeed } = load("nkeys.js") as typeof Nkeys;
  return fromCurveSeed(Buffer.from(pair.seed)) as Partial<Curve> as Curve;
}
