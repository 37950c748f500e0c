import { type Capability, canonicalContract, contractOf, fail } from "../lattice/index.ts";
import { fileBlobstore } from "./blobstore-files/provider.ts";
import { natsBlobstore } from "./blobstore-objects/provider.ts";
import { httpClient } from "./http-client/provider.ts";
import { httpServer } from "./http-server/provider.ts";
import { redisKeyvalue } from "./keyvalue-redis/provider.ts";
import { sqliteKeyvalue } from "./keyvalue-sqlite/provider.ts";
import { natsKeyvalue } from "./keyvalue-nats/provider.ts";
import { memoryKeyvalue } from "./keyvalue-memory/provider.ts";
import { actorLogging } from "./logging/provider.ts";
import { memoryMessaging } from "./messaging-memory/provider.ts";
import { natsMessaging } from "./messaging-nats/provider.ts";
import { numberGenerator } from "./numbers/provider.ts";
import { type BuiltinReach, reachOf } from "./builtin-reach.ts";
import type { Provider } from "./provider.ts";

type Config = Readonly<Record<string, string>>;

/** One of our own providers, started by reference. */
export interface Builtin {
  /** `builtin:NAME`; `child:builtin:NAME` runs in a process of its own. */
  readonly reference: string;
  readonly inChild: boolean;
  /** V key, the same on every lattice. Published, and no private half was kept: it names, it cannot sign. */
  readonly key: string;
  readonly contractId: string;
  readonly name: string;
  /** Keeps state in the process: one per host and link name. */
  readonly stateful: boolean;
  /** What a bare contract id means. */
  readonly isDefault: boolean;
  /**
   * Makes one that is not started yet.
   * @throws LatticeError OPTION_UNKNOWN, OPTION_OUT_OF_RANGE
   */
  create(config: Config): Provider;
  /** What it needs when it runs in a process of its own. */
  reach(config: Config): BuiltinReach;
}

const table: readonly Builtin[] = [
  builtin("httpserver", "httpserver", "VBL2WPIOYNQNBFQPA7FCTBPEQ5KNDNKOJDY5PXAAMCUZ35NSF7TF45HD", (config) => {
    // The folder is only for a process of its own, which may read what lies there.
    const { address, also, body_bytes: bodyBytes } = read(config, ["address", "also", "body_bytes", "tls_folder"]);
    return httpServer({
      ...(address !== undefined && { address }),
      ...(also && { also: also.split(",").map((each) => each.trim()) }),
      ...(bodyBytes !== undefined && { bodyBytes: number("body_bytes", bodyBytes) }),
    });
  }),
  builtin("httpclient", "httpclient", "VCLA7QO4RAN4VF7FFQC3MXA5KA66YZG5ZZF3VT52PHSBJVCXIPYXGRJX", (config) => {
    read(config, []);
    return httpClient();
  }),
  builtin("blobstore-files", "blobstore", "VBMYKUGBRSUAC7RSMK223ZNWFY4Q4UOZERDFWIWOZSMUFD53EXKO4IIS", (config) => {
    const { root, max_object_bytes: objectBytes } = read(config, ["root", "max_object_bytes"]);
    return fileBlobstore({
      ...(root !== undefined && { root }),
      ...(objectBytes !== undefined && { objectBytes: number("max_object_bytes", objectBytes) }),
    });
  }),
  builtin(
    "blobstore-nats",
    "blobstore",
    "VBIGB3GPV4PZKHBG2STX2TJC23LW3GRBH4C55YAV7SUZ4WI2CI2YR3YI",
    (config) => {
      const known = read(config, ["url", "creds_file", "bucket", "max_object_bytes"]);
      const { url, creds_file: credsFile, bucket, max_object_bytes: objectBytes } = known;
      return natsBlobstore({
        ...(url !== undefined && { url }),
        ...(credsFile !== undefined && { credsFile }),
        ...(bucket !== undefined && { bucket }),
        ...(objectBytes !== undefined && { objectBytes: number("max_object_bytes", objectBytes) }),
      });
    },
    false,
  ),
  builtin("keyvalue-memory", "keyvalue", "VA3GEC4Z2YSMYM34XVAIZH4VEV24EFUT3BN6KXJWFKUWRF6VHKIGGH64", (config) => {
    const { max_bytes: maxBytes } = read(config, ["max_bytes"]);
    return memoryKeyvalue(maxBytes === undefined ? {} : { maxBytes: number("max_bytes", maxBytes) });
  }),
  builtin(
    "keyvalue-redis",
    "keyvalue",
    "VBJZJQS6F46DWVJTLFLY46R5U2KCQZXDAXCP2JTMQOOSCWS5VG2VUFIN",
    (config) => {
      const { url, tls_ca_file: caFile } = read(config, ["url", "tls_ca_file"]);
      return redisKeyvalue({ ...(url !== undefined && { url }), ...(caFile !== undefined && { caFile }) });
    },
    false,
  ),
  builtin(
    "keyvalue-sqlite",
    "keyvalue",
    "VAR643LRENLWDF4SNYGK5SWYLYZ34RQIFPYW2SMR7VTB2AEHB5MQI2GU",
    (config) => sqliteKeyvalue({ path: read(config, ["path"]).path ?? "" }),
    false,
  ),
  builtin(
    "keyvalue-nats",
    "keyvalue",
    "VDR5IYSEDV4LBRI5V3IALQWLAFFKYOMIL4GMZ2VS6WL34E2A7RFLQXGE",
    (config) => {
      const { url, bucket, creds_file: credsFile } = read(config, ["url", "bucket", "creds_file"]);
      return natsKeyvalue({
        ...(url !== undefined && { url }),
        ...(bucket !== undefined && { bucket }),
        ...(credsFile !== undefined && { credsFile }),
      });
    },
    false,
  ),
  builtin("logging", "logging", "VBOROXVRSLTHSBFCFG7HLY3JSUA6TZ3W62JXAUTU7QANCOQUNYE436MZ", (config) => {
    read(config, []);
    return actorLogging();
  }),
  builtin("numbergen", "numbers", "VCJC5SGCLH2RVT5ZCMUFQB743P46GR7Z6VYEFHTW533GAKX4LZCIVHMP", (config) => {
    read(config, []);
    return numberGenerator();
  }),
  builtin("messaging-memory", "messaging", "VD6ZPJ5KBXWSOIMUCIDX7CIMSFNEH4ZM6B42FOZRRQUSAFTVT6L45OD6", (config) =>
    memoryMessaging(readMessaging(read(config, ["max_pending", "request_timeout_ms"]))),
  ),
  builtin(
    "messaging-nats",
    "messaging",
    "VC24QYV764SBEYCFRR5VA5J7SP5ZI2N4TYW4WHGMARSL5OSTTVOSR3QD",
    (config) => {
      const known = read(config, ["url", "creds_file", "max_pending", "request_timeout_ms"]);
      const { url, creds_file: credsFile } = known;
      return natsMessaging({
        ...readMessaging(known),
        ...(url !== undefined && { url }),
        ...(credsFile !== undefined && { credsFile }),
      });
    },
    false,
  ),
];

/** Our own providers by reference. */
export const builtins: ReadonlyMap<string, Builtin> = new Map(table.map((each) => [each.reference, each]));

const childPrefix = "child:";

/**
 * The builtin of a reference, or our default for a contract id under any of its names; with `child:` before it the
 * same in a process of its own.
 */
export function findBuiltin(reference: string): Builtin | undefined {
  const inChild = reference.startsWith(childPrefix);
  const name = inChild ? reference.slice(childPrefix.length) : reference;
  const found =
    builtins.get(name) ?? table.find((each) => each.isDefault && each.contractId === canonicalContract(name));
  return found && inChild ? { ...found, reference: inOwnProcess(found.reference), inChild } : found;
}

/** The same provider in a process of its own. */
export function inOwnProcess(reference: string): string {
  return reference.startsWith(childPrefix) ? reference : childPrefix + reference;
}

/** Which provider it is, wherever it runs. */
export function withoutProcess(reference: string): string {
  return reference.startsWith(childPrefix) ? reference.slice(childPrefix.length) : reference;
}

function builtin(
  name: string,
  capability: Capability,
  key: string,
  make: (config: Config) => Provider,
  isDefault = true,
): Builtin {
  const { name: title, stateless = false } = make({});
  return {
    reference: `builtin:${name}`,
    key,
    contractId: contractOf(capability),
    name: title,
    stateful: !stateless,
    isDefault,
    inChild: false,
    reach: (config) => reachOf(name, config),
    create: (config) => Object.assign(make(config), { key }),
  };
}

function read<Name extends string>(config: Config, known: readonly Name[]): Partial<Record<Name, string>> {
  for (const name of Object.keys(config)) {
    if (!known.some((each) => each === name)) throw fail("OPTION_UNKNOWN", name, "");
  }
  return config as Partial<Record<Name, string>>;
}

function readMessaging(config: { readonly max_pending?: string; readonly request_timeout_ms?: string }) {
  const { max_pending: maxPending, request_timeout_ms: requestTimeoutMs } = config;
  return {
    ...(maxPending !== undefined && { maxPending: number("max_pending", maxPending) }),
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs: number("request_timeout_ms", requestTimeoutMs) }),
  };
}

function number(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw fail("OPTION_OUT_OF_RANGE", name, text, "a whole number");
  return Number(text);
}
