import { createHash } from "node:crypto";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { fail, KeyPair, openSecret } from "../lattice/index.ts";
import type { SealedEntries } from "./secret-bucket.ts";

/** Where references to secrets may lead; by default nowhere but to variables made for it, and into the lattice. */
export interface SecretSources {
  /** Names of environment variables that may be read, `*` for any text. Default `LATTICE_SECRET_*`. */
  readonly variables: readonly string[];
  /** Folders whose files may be read, as Kubernetes and systemd lay them out. */
  readonly folders: readonly string[];
  /** Seeds of X keys (`SX...`) that open the lattice's secrets. Secret. */
  readonly keys: readonly string[];
}

export const defaultSecretSources: SecretSources = { variables: ["LATTICE_SECRET_*"], folders: [], keys: [] };

const mostBytes = 64 * 1024;
const whole = /^secret:(env|file|nats):(.+)$/;
/** Inside a longer value: `redis://:${secret:file:redis/password}@db`. */
const within = /\$\{secret:(env|file|nats):([^}]+)\}/g;

type Values = Readonly<Record<string, string>>;

/** Whether values refer to secrets. */
export function refersToSecrets(values: Values): boolean {
  return Object.values(values).some((value) => value.startsWith("secret:") || value.includes("${secret:"));
}

/** Names of the lattice's secrets that values refer to. */
export function namesInLattice(values: Values): readonly string[] {
  const names = Object.values(values).flatMap((value) => {
    const [, kind, name] = whole.exec(value) ?? [];
    const inside = [...value.matchAll(within)].map(([, each, inner]) => (each === "nats" ? inner : undefined));
    return [kind === "nats" ? name : undefined, ...inside];
  });
  return [...new Set(names.filter((name) => name !== undefined))];
}

/**
 * The values with what their references mean: `secret:env:NAME`, `secret:file:PATH` with a path below
 * one of the folders, one line end at its end left out, `secret:nats:NAME` of the lattice's secrets, of which `sealed`
 * holds those that the values name. Only for the eyes of the provider.
 * @throws LatticeError SECRET_UNAVAILABLE naming every reference that cannot be read, never a value.
 */
export function resolveSecrets(values: Values, sources: SecretSources, sealed?: SealedEntries): Values {
  return follow(values, { ...readers(sources), nats: (name) => fromLattice(name, sources, sealed) });
}

type Readers = Readonly<Record<string, (name: string) => string>>;

function readers(sources: SecretSources): Readers {
  return { env: (name) => fromVariable(name, sources), file: (name) => fromFile(name, sources) };
}

function follow(values: Values, from: Readers): Values {
  if (!refersToSecrets(values)) return values;
  const problems: string[] = [];
  const read = (kind: string, name: string): string => {
    try {
      return from[kind]!(name);
    } catch (error) {
      problems.push(`${kind}:${name} ${error instanceof Refusal ? error.message : "cannot be read"}`);
      return "";
    }
  };
  const resolved = Object.entries(values).map(([key, value]) => {
    const reference = whole.exec(value);
    if (reference) return [key, read(reference[1]!, reference[2]!)] as const;
    if (value.startsWith("secret:"))
      problems.push(`the value of ${key} is none of secret:env:, secret:file:, secret:nats:`);
    return [key, value.replaceAll(within, (_, kind: string, name: string) => read(kind, name))] as const;
  });
  if (problems.length > 0) throw fail("SECRET_UNAVAILABLE", problems.join("; "));
  return Object.fromEntries(resolved);
}

/** What a provider gave back of its values, with the references in place of what they meant. */
export function withReferences(given: Values, references: Values, resolved: Values): Values {
  if (references === resolved) return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key,
      value === resolved[key] && Object.hasOwn(references, key) ? references[key]! : value,
    ]),
  );
}

/** An error of a provider that may repeat what it was given, with the references in place of what they meant. */
export function withoutValues(error: unknown, references: Values, resolved: Values): unknown {
  if (references === resolved || !(error instanceof Error)) return error;
  for (const [key, value] of Object.entries(resolved)) {
    const reference = references[key] ?? "";
    if (value !== reference && value !== "") error.message = error.message.replaceAll(value, reference);
  }
  if (error.cause !== undefined) error.cause = withoutValues(error.cause, references, resolved);
  return error;
}

/** Changes when a secret does; undefined while one cannot be read. What is sealed is not opened for it. */
export function secretStamp(values: Values, sources: SecretSources, sealed?: SealedEntries): string | undefined {
  const nats = (name: string) => Buffer.from(entryOf(name, sealed)).toString("base64");
  try {
    return createHash("sha256")
      .update(JSON.stringify(follow(values, { ...readers(sources), nats })))
      .digest("hex");
  } catch {
    return undefined;
  }
}

/** Why a reference is not followed; its text ends the sentence. */
class Refusal extends Error {}

function fromVariable(name: string, { variables }: SecretSources): string {
  const allowed = variables.some((pattern) => {
    const form = pattern
      .split("*")
      .map((part) => RegExp.escape(part))
      .join(".*");
    return new RegExp(`^${form}$`).test(name);
  });
  if (!allowed) throw new Refusal(`is not among the variables that may be read (${variables.join(", ") || "none"})`);
  const value = process.env[name];
  if (value === undefined) throw new Refusal("is not set");
  return value;
}

function fromFile(name: string, { folders }: SecretSources): string {
  if (folders.length === 0) throw new Refusal("is read only where the host was given folders of secrets");
  for (const folder of folders) {
    const path = isAbsolute(name) ? name : join(folder, name);
    if (!isBelow(folder, path)) continue;
    let real: string;
    try {
      real = realpathSync(path);
    } catch {
      continue;
    }
    // Kubernetes puts links there, which stay inside.
    if (!isBelow(realpathSync(folder), real)) throw new Refusal("leads out of the folder of secrets");
    if (statSync(real).size > mostBytes) throw new Refusal(`has more than ${mostBytes} bytes`);
    return readFileSync(real, "utf8").replace(/\r?\n$/, "");
  }
  throw new Refusal("is not there");
}

function fromLattice(name: string, { keys }: SecretSources, sealed: SealedEntries | undefined): string {
  const opened = openSecret(
    entryOf(name, sealed),
    keys.map((seed) => KeyPair.fromSeed(seed, "curve")),
  );
  if ("problem" in opened) throw new Refusal(opened.problem);
  return opened.text;
}

function entryOf(name: string, sealed: SealedEntries | undefined): Uint8Array {
  if (!sealed) throw new Refusal("is read only where the host has joined a lattice");
  const entry = Object.hasOwn(sealed, name) ? sealed[name] : undefined;
  if (!entry) throw new Refusal("is not among the secrets of the lattice");
  return entry;
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
