import {
  defaultControlPrefix,
  fail,
  isPublicKey,
  isSubjectName,
  KeyPair,
  type LatticeConnection,
  type NatsOptions,
  type RpcPolicy,
} from "../../lattice/index.ts";

/** What a user may say about joining a lattice: part of `HostOptions`. */
export interface LatticeOptions {
  /** The lattice's NATS server, or one for each use; the host starts although it is away. */
  readonly nats?: string | NatsOptions | NatsServers;
  /** A connection of the caller's, in place of `nats`: for tests, and for several hosts of one process. */
  readonly connection?: LatticeConnection;
  /** Seed of the cluster key (`SC...`), the same on all hosts of one owner. Default: a new key for each start. */
  readonly clusterSeed?: string;
  /** Cluster keys (`C...`) whose invocations are taken; the own one is always among them. */
  readonly clusterIssuers?: readonly string[];
  /** How calls between hosts are sent: sealed with session keys, as wasmCloud 0.x does, or as the other wants. Default "both". */
  readonly rpc?: RpcPolicy;
  /** What the subjects of the control interface begin with, the same on all hosts and clients. Default "wasmbus.ctl". */
  readonly controlPrefix?: string;
  /** What the lattice may ask of this host: everything, reading only, nothing. Default "full". */
  readonly ctl?: CtlLevel;
  /** Time between heartbeat events in milliseconds, 10 to 3 600 000. Default 30 000. */
  readonly heartbeatMs?: number;
  /** Time between announcements to our own hosts in milliseconds, 10 to 3 600 000. Default 5 000. */
  readonly presenceMs?: number;
  /** How long a large payload may lie unfetched before hosts delete it, in milliseconds, 10 to 86 400 000. Default 600 000. */
  readonly payloadAgeMs?: number;
  /**
   * How long no host must have announced an actor or provider before its claims are deleted, in milliseconds, 10 to
   * 2 592 000 000 (30 days). Default a day.
   */
  readonly claimsAgeMs?: number;
  /** Whether events and lists carry the values of links as they are. Default false: they are redacted. */
  readonly clearLinkValues?: boolean;
  /** Whether the lattice may name files of this host (`file://`). Default false. */
  readonly allowFiles?: boolean;
  /** Subjects of a policy service that is asked before anything starts or is called. */
  readonly policyService?: PolicyServiceOptions;
  /** Publishes an event for every call (`wasmbus.rpcevt.LATTICE`), as hosts of OTP did. Costs a message for each. Default false. */
  readonly invocationEvents?: boolean;
  /** Asks the lattice's config service at the start, for registries and what to start. Default false. */
  readonly configService?: boolean;
  /** Keeps what runs in the state directory and starts it again under the same `hostSeed`; `fresh` forgets what was kept. Default false. */
  readonly remember?: boolean | "fresh";
}

/** Servers by use; a use that is not named shares the one of `rpc`. Source: lattice protocol reference, section 1. */
export interface NatsServers {
  readonly rpc: string | NatsOptions;
  readonly control?: string | NatsOptions;
  readonly provider?: string | NatsOptions;
}

export interface PolicyServiceOptions {
  readonly topic: string;
  readonly changesTopic?: string;
  /** No answer in this time is a refusal. In milliseconds, 1 to 60 000. Default 1 000. */
  readonly timeoutMs?: number;
}

export type CtlLevel = "full" | "read" | "off";

/** Checked, complete and frozen. What may hold secrets is not enumerable. */
export interface LatticeConfig {
  readonly nats:
    | { readonly rpc: NatsOptions; readonly control?: NatsOptions; readonly provider?: NatsOptions }
    | undefined;
  readonly connection: LatticeConnection | undefined;
  readonly clusterSeed: string | undefined;
  readonly clusterIssuers: readonly string[];
  readonly rpc: RpcPolicy;
  readonly controlPrefix: string;
  readonly ctl: CtlLevel;
  readonly heartbeatMs: number;
  readonly presenceMs: number;
  readonly payloadAgeMs: number;
  readonly claimsAgeMs: number;
  readonly clearLinkValues: boolean;
  readonly allowFiles: boolean;
  readonly policyService:
    | (Required<Omit<PolicyServiceOptions, "changesTopic">> & { readonly changesTopic?: string })
    | undefined;
  readonly invocationEvents: boolean;
  readonly configService: boolean;
  readonly remember: boolean | "fresh";
}

export const latticeOptionNames: readonly (keyof LatticeOptions)[] = [
  "nats",
  "connection",
  "clusterSeed",
  "clusterIssuers",
  "rpc",
  "controlPrefix",
  "ctl",
  "heartbeatMs",
  "presenceMs",
  "payloadAgeMs",
  "claimsAgeMs",
  "clearLinkValues",
  "allowFiles",
  "policyService",
  "invocationEvents",
  "configService",
  "remember",
];

/** @throws LatticeError OPTION_OUT_OF_RANGE naming option, value and range; KEY_MALFORMED for a seed or issuer that is none. */
export function compileLattice(options: LatticeOptions): LatticeConfig {
  if (options.nats !== undefined && options.connection !== undefined)
    outOfRange("connection", "given", "left out where nats is given");
  const config = {
    clusterIssuers: issuers(options.clusterIssuers ?? []),
    rpc: oneOf("rpc", options.rpc ?? "both", ["session", "wasmcloud", "both"]),
    controlPrefix: prefix(options.controlPrefix ?? defaultControlPrefix),
    ctl: oneOf("ctl", options.ctl ?? "full", ["full", "read", "off"]),
    heartbeatMs: milliseconds("heartbeatMs", options.heartbeatMs ?? 30_000, 10, 3_600_000),
    presenceMs: milliseconds("presenceMs", options.presenceMs ?? 5_000, 10, 3_600_000),
    payloadAgeMs: milliseconds("payloadAgeMs", options.payloadAgeMs ?? 600_000, 10, 86_400_000),
    claimsAgeMs: milliseconds("claimsAgeMs", options.claimsAgeMs ?? 86_400_000, 10, 2_592_000_000),
    clearLinkValues: flag("clearLinkValues", options.clearLinkValues ?? false),
    allowFiles: flag("allowFiles", options.allowFiles ?? false),
    policyService: policyService(options.policyService),
    invocationEvents: flag("invocationEvents", options.invocationEvents ?? false),
    configService: flag("configService", options.configService ?? false),
    remember: options.remember === "fresh" ? "fresh" : flag("remember", options.remember ?? false),
  };
  const hidden = {
    nats: servers(options.nats),
    connection: options.connection,
    clusterSeed: clusterSeed(options.clusterSeed),
  };
  for (const [name, value] of Object.entries(hidden)) Object.defineProperty(config, name, { value, enumerable: false });
  return Object.freeze(config) as unknown as LatticeConfig;
}

/** No error repeats a value: any of them may hold a password. */
function servers(value: string | NatsOptions | NatsServers | undefined): LatticeConfig["nats"] {
  if (value === undefined) return undefined;
  if (typeof value === "string" || "servers" in value) return Object.freeze({ rpc: server("nats", value) });
  for (const use of Object.keys(value))
    if (!["rpc", "control", "provider"].includes(use))
      outOfRange(`nats.${use}`, "given", "one of rpc, control, provider");
  const { rpc, control, provider } = value;
  return Object.freeze({
    rpc: server("nats.rpc", rpc),
    ...(control === undefined ? {} : { control: server("nats.control", control) }),
    ...(provider === undefined ? {} : { provider: server("nats.provider", provider) }),
  });
}

function server(name: string, value: string | NatsOptions): NatsOptions {
  if (typeof value === "string" && value !== "") return { servers: value };
  if (typeof value === "object" && value !== null && "servers" in value) return value;
  return outOfRange(name, "given", "the URL of a server, or options with servers");
}

function issuers(value: readonly string[]): readonly string[] {
  if (!Array.isArray(value)) outOfRange("clusterIssuers", value, "a list");
  value.forEach((issuer, index) => {
    if (typeof issuer !== "string" || !isPublicKey(issuer, "cluster"))
      throw fail("KEY_MALFORMED", `clusterIssuers[${index}]`, "wanted the public key of a cluster (C...)");
  });
  return Object.freeze([...value]);
}

/** The value is a secret: no error repeats it. */
function clusterSeed(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^SC[A-Z2-7]{56}$/.test(value)) {
    KeyPair.fromSeed(value, "cluster");
    return value;
  }
  throw fail("KEY_MALFORMED", "clusterSeed", "wanted the seed of a cluster key (SC...)");
}

function policyService(value: PolicyServiceOptions | undefined): LatticeConfig["policyService"] {
  if (value === undefined) return undefined;
  const { topic, changesTopic, timeoutMs = 1_000 } = value;
  for (const [name, subject] of Object.entries({ topic, changesTopic })) {
    if (subject === undefined && name === "changesTopic") continue;
    if (typeof subject !== "string" || !/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject))
      outOfRange(`policyService.${name}`, subject, "a subject");
  }
  return Object.freeze({
    topic,
    timeoutMs: milliseconds("policyService.timeoutMs", timeoutMs, 1, 60_000),
    ...(changesTopic === undefined ? {} : { changesTopic }),
  });
}

function prefix(value: unknown): string {
  if (typeof value === "string" && value.split(".").every(isSubjectName)) return value;
  return outOfRange("controlPrefix", value, "names of letters, digits, - and _ between dots");
}

function milliseconds(name: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  return outOfRange(name, value, `a whole number from ${min} to ${max}`);
}

function flag(name: string, value: unknown): boolean {
  return typeof value === "boolean" ? value : outOfRange(name, value, "true or false");
}

function oneOf<T extends string>(name: string, value: T, known: readonly T[]): T {
  return known.includes(value) ? value : outOfRange(name, value, `one of ${known.join(", ")}`);
}

function outOfRange(name: string, value: unknown, range: string): never {
  throw fail("OPTION_OUT_OF_RANGE", name, typeof value === "string" ? JSON.stringify(value) : value, range);
}
