import { isAbsolute } from "node:path";
import { arch, platform } from "node:process";
import type { Registries } from "../actors/index.ts";
import { fail, isPublicKey, KeyPair } from "../lattice/index.ts";
import { compileLimits, type LimitName, type Limits } from "./limits.ts";
import { type LogLevel, isLogLevel, logLevels } from "./log-levels.ts";
import { compileLattice, type LatticeConfig, latticeOptionNames, type LatticeOptions } from "./membership/settings.ts";
import type { Middleware } from "./middleware.ts";
import { nearestName } from "./nearest-name.ts";
import type { Policy } from "./policy.ts";
import { defaultSecretSources, type SecretSources } from "./secrets.ts";
import { stateDirectory } from "./state-directory.ts";

/** What a user may say about a host. All of it is optional; `compileOptions` checks it once. */
export interface HostOptions extends LatticeOptions {
  /** Name of the lattice: 1 to 63 letters, digits, `-` or `_`. Default "default". */
  readonly lattice?: string;
  /** Labels of this host, at most 64; keys that start with `hostcore.` belong to the host. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Threads that run guests, 0 to 256. 0, the library's default, runs them in the caller's thread;
   * the command line asks for at least one.
   */
  readonly engines?: number;
  /** See `limitTable`: names, defaults and ranges. */
  readonly limits?: Partial<Record<LimitName, number>>;
  /** Account keys (`A...`) whose modules may run. Default: every issuer. */
  readonly issuers?: readonly string[];
  /** Refuses what is only warned about otherwise, such as unclaimed logging. Default false. */
  readonly strict?: boolean;
  /** Signs unsigned modules on load with a local key, loudly. Never for production. Default false. */
  readonly development?: boolean;
  /** `host:port` of `/metrics`, `/livez` and `/readyz`; port 0 takes any free one. Default: none. */
  readonly metricsAddress?: string;
  /** Whether a second terminal can reach this host, or the socket's own path. Default false. */
  readonly controlSocket?: boolean | string;
  /** Folder of what survives a restart. Default `$XDG_STATE_HOME/wasmlattice`. */
  readonly stateDirectory?: string;
  /** Default "warn": a library says nothing while all is well. */
  readonly logLevel?: LogLevel;
  /** JSON log lines rather than readable ones. Default false. */
  readonly structured?: boolean;
  /**
   * Asked after the host's own checks; it can only tighten. With engines in threads of their own it is
   * the path of a module whose default export is the policy, since functions do not cross threads.
   */
  readonly policy?: Policy | string;
  /** What runs around each call, in this order; module paths where engines are threads of their own. */
  readonly middleware?: readonly (Middleware | string)[];
  /**
   * Where references to secrets in link values may lead, and X keys that open those of the lattice. Default: variables
   * `LATTICE_SECRET_*`, no folder, no key.
   */
  readonly secrets?: Partial<SecretSources>;
  /** Seed of the host's own key (`SN...`). Default: a new key for each start. */
  readonly hostSeed?: string;
  /** Credentials and exceptions of the registries that references name. Default: those of the environment. */
  readonly registries?: Registries;
}

/** What the program uses: checked, complete and frozen. */
export interface HostConfig {
  readonly lattice: string;
  /** How it joins, and what the lattice may ask of it. */
  readonly membership: LatticeConfig;
  /** The user's and the host's own (`hostcore.arch`, `hostcore.os`, `hostcore.osfamily`). */
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: number;
  readonly limits: Limits;
  /** `undefined` allows every issuer. */
  readonly issuers: readonly string[] | undefined;
  readonly strict: boolean;
  readonly development: boolean;
  /** Its `keys` are not enumerable. */
  readonly secrets: SecretSources;
  readonly metricsAddress: string | undefined;
  readonly controlSocket: boolean | string;
  readonly stateDirectory: string;
  readonly logLevel: LogLevel;
  readonly structured: boolean;
  readonly policy: Policy | string | undefined;
  readonly middleware: readonly (Middleware | string)[];
  /** Not enumerable, so that no log, inventory or message to a thread picks it up by accident. */
  readonly hostSeed: string | undefined;
  /** Not enumerable either: it may hold passwords. */
  readonly registries: Registries | undefined;
}

const optionNames: readonly (keyof HostOptions)[] = [
  "lattice",
  "labels",
  "engines",
  "limits",
  "issuers",
  "strict",
  "development",
  "secrets",
  "metricsAddress",
  "controlSocket",
  "stateDirectory",
  "logLevel",
  "structured",
  "policy",
  "middleware",
  "hostSeed",
  "registries",
  ...latticeOptionNames,
];

/**
 * Checks what the user wrote and fills in the rest; called once, before anything starts.
 * @throws LatticeError OPTION_UNKNOWN with the nearest name; OPTION_OUT_OF_RANGE naming option, value and
 * range; KEY_MALFORMED for a seed or issuer that is none.
 */
export function compileOptions(options: HostOptions = {}): HostConfig {
  for (const name of Object.keys(options)) {
    if (!(optionNames as readonly string[]).includes(name)) {
      throw fail("OPTION_UNKNOWN", name, nearestName(name, optionNames));
    }
  }
  const config: Omit<HostConfig, "hostSeed" | "registries"> = {
    lattice: latticeName(options.lattice ?? "default"),
    membership: compileLattice(options),
    labels: Object.freeze({ ...labels(options.labels ?? {}), ...coreLabels() }),
    engines: wholeNumber("engines", options.engines ?? 0, 0, 256),
    limits: compileLimits(options.limits),
    issuers: options.issuers === undefined ? undefined : issuers(options.issuers),
    strict: flag("strict", options.strict ?? false),
    development: flag("development", options.development ?? false),
    secrets: secretSources(options.secrets ?? {}),
    metricsAddress: options.metricsAddress === undefined ? undefined : address(options.metricsAddress),
    controlSocket: controlSocket(options.controlSocket ?? false),
    stateDirectory: text("stateDirectory", options.stateDirectory ?? stateDirectory()),
    logLevel: level(options.logLevel ?? "warn"),
    structured: flag("structured", options.structured ?? false),
    policy: options.policy === undefined ? undefined : callable("policy", options.policy),
    middleware: Object.freeze([...list("middleware", options.middleware ?? [])]),
  };
  if (config.membership.remember !== false && options.hostSeed === undefined)
    outOfRange(
      "remember",
      options.remember,
      "false where no hostSeed is given: the next start would not find what this one kept",
    );
  const inCallersThread =
    typeof config.policy === "function"
      ? "policy"
      : config.middleware.some((each) => typeof each !== "string")
        ? "middleware"
        : "";
  if (config.engines > 0 && inCallersThread !== "") {
    outOfRange(inCallersThread, "a function", "the path of a module when engines run in threads of their own");
  }
  return Object.freeze(
    Object.defineProperties(config, {
      hostSeed: { value: hostSeed(options.hostSeed), enumerable: false },
      registries: { value: options.registries, enumerable: false },
    }),
  ) as HostConfig;
}

/**
 * The labels that every host carries and no user sets.
 * Source: lattice protocol reference, section 8.
 */
export function coreLabels(): Record<string, string> {
  const architectures: Record<string, string> = { x64: "x86_64", arm64: "aarch64", ia32: "x86" };
  const systems: Record<string, string> = { darwin: "macos", win32: "windows" };
  return {
    "hostcore.arch": architectures[arch] ?? arch,
    "hostcore.os": systems[platform] ?? platform,
    "hostcore.osfamily": platform === "win32" ? "windows" : "unix",
  };
}

function outOfRange(name: string, value: unknown, range: string): never {
  throw fail("OPTION_OUT_OF_RANGE", name, typeof value === "string" ? JSON.stringify(value) : value, range);
}

function latticeName(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9_-]{1,63}$/.test(value)) return value;
  return outOfRange("lattice", value, "1 to 63 letters, digits, - or _");
}

function labels(value: Readonly<Record<string, unknown>>): Record<string, string> {
  if (typeof value !== "object" || value === null) outOfRange("labels", value, "an object of strings");
  const entries = Object.entries(value);
  if (entries.length > 64) outOfRange("labels", `${entries.length} labels`, "at most 64");
  return Object.fromEntries(
    entries.map(([key, label]) => {
      if (key === "" || key.length > 253) outOfRange("labels", JSON.stringify(key), "keys of 1 to 253 characters");
      if (key.startsWith("hostcore.")) outOfRange(`labels.${key}`, label, "left to the host: hostcore. is reserved");
      if (typeof label !== "string" || label.length > 1024) {
        outOfRange(`labels.${key}`, label, "a string of at most 1024 characters");
      }
      return [key, label] as const;
    }),
  );
}

function wholeNumber(name: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  return outOfRange(name, value, `a whole number from ${min} to ${max}`);
}

function flag(name: string, value: unknown): boolean {
  return typeof value === "boolean" ? value : outOfRange(name, value, "true or false");
}

function text(name: string, value: unknown): string {
  return typeof value === "string" && value !== "" ? value : outOfRange(name, value, "a path");
}

function list<T>(name: string, value: readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : outOfRange(name, value, "a list");
}

function secretSources(value: Partial<SecretSources>): SecretSources {
  const { variables, folders, keys } = { ...defaultSecretSources, ...value };
  for (const folder of list("secrets.folders", folders)) {
    if (!isAbsolute(text("secrets.folders", folder))) outOfRange("secrets.folders", folder, "absolute paths");
  }
  for (const seed of list("secrets.keys", keys)) KeyPair.fromSeed(seed, "curve");
  const sources = { variables: [...list("secrets.variables", variables)], folders: [...folders] };
  return Object.defineProperty(sources, "keys", { value: [...keys], enumerable: false }) as unknown as SecretSources;
}

function callable(name: string, value: Policy | string): Policy | string {
  return typeof value === "function" || (typeof value === "string" && value !== "")
    ? value
    : outOfRange(name, typeof value, "a function or the path of a module");
}

function level(value: unknown): LogLevel {
  return isLogLevel(value) ? value : outOfRange("logLevel", value, `one of ${logLevels.join(", ")}`);
}

function issuers(value: readonly string[]): readonly string[] {
  list<unknown>("issuers", value).forEach((issuer, index) => {
    if (typeof issuer !== "string" || !isPublicKey(issuer, "account")) {
      throw fail("KEY_MALFORMED", `issuers[${index}]`, "wanted the public key of an account (A...)");
    }
  });
  return Object.freeze([...value]);
}

/** The value is a secret: no error repeats it. */
function hostSeed(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^SN[A-Z2-7]{56}$/.test(value)) return value;
  throw fail("KEY_MALFORMED", "hostSeed", "wanted the seed of a host key (SN...)");
}

function controlSocket(value: unknown): boolean | string {
  if (typeof value === "boolean" || (typeof value === "string" && value.startsWith("/"))) return value;
  return outOfRange("controlSocket", value, "true, false or an absolute path");
}

function address(value: unknown): string {
  if (typeof value === "string" && isAddress(value)) return value;
  return outOfRange("metricsAddress", value, "host:port, for example 127.0.0.1:9090 or [::1]:0");
}

/** `host:port` with an IPv4 address, a name, or an IPv6 address in brackets; ports 0 to 65535. */
function isAddress(value: string): boolean {
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(value)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}
