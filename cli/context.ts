import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a setting came from, for `config view --show-origin`. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** `default`, a variable as `$NAME`, or a file. */
  readonly origin: string;
}

interface SettingRow {
  readonly name: string;
  /** Ours first: it wins over wash's and wasmCloud's. */
  readonly variables: readonly string[];
  readonly fallback: (env: Environment) => { value: string; origin: string };
}

const rows = [
  {
    name: "keys",
    variables: ["LATTICE_KEYS", "WASH_KEYS"],
    fallback: (env) => {
      const wash = join(home(env), ".wash", "keys");
      return existsSync(wash) ? { value: wash, origin: wash } : byDefault(join(configFolder(env), "keys"));
    },
  },
  {
    name: "lattice",
    variables: ["LATTICE_NAME", "WASMCLOUD_LATTICE", "WASMCLOUD_LATTICE_PREFIX", "WASMCLOUD_LATTICE_ID"],
    fallback: (env) => fromOwnContext(env, "lattice") ?? fromWashContext(env, "lattice_prefix") ?? byDefault("default"),
  },
  {
    name: "nats",
    variables: ["LATTICE_NATS", "NATS_URL"],
    fallback: (env) => fromOwnContext(env, "nats") ?? natsOfHostAndPort(env) ?? byDefault(""),
  },
  {
    name: "nats_creds",
    variables: ["LATTICE_NATS_CREDS", "WASMCLOUD_CTL_CREDSFILE", "NATS_CREDS"],
    fallback: (env) => fromOwnContext(env, "creds") ?? fromWashContext(env, "ctl_credsfile") ?? byDefault(""),
  },
  {
    name: "nats_jwt",
    variables: ["LATTICE_NATS_JWT", "WASMCLOUD_CTL_JWT", "WASMCLOUD_RPC_JWT"],
    fallback: (env) => fromOwnContext(env, "jwt") ?? fromWashContext(env, "ctl_jwt") ?? byDefault(""),
  },
  {
    name: "nats_seed",
    variables: ["LATTICE_NATS_SEED", "WASMCLOUD_CTL_SEED", "WASMCLOUD_RPC_SEED"],
    fallback: (env) => fromOwnContext(env, "seed") ?? fromWashContext(env, "ctl_seed") ?? byDefault(""),
  },
  {
    name: "nats_tls",
    variables: ["LATTICE_NATS_TLS", "WASMCLOUD_CTL_TLS", "WASMCLOUD_RPC_TLS"],
    fallback: () => byDefault("false"),
  },
  {
    name: "nats_ca",
    variables: ["LATTICE_NATS_CA", "NATS_CA"],
    fallback: (env) => fromOwnContext(env, "ca") ?? byDefault(""),
  },
  {
    name: "nats_cert",
    variables: ["LATTICE_NATS_CERT", "NATS_CERT"],
    fallback: (env) => fromOwnContext(env, "cert") ?? byDefault(""),
  },
  {
    name: "nats_key",
    variables: ["LATTICE_NATS_KEY", "NATS_KEY"],
    fallback: (env) => fromOwnContext(env, "key") ?? byDefault(""),
  },
  {
    name: "nats_replicas",
    variables: ["LATTICE_NATS_REPLICAS"],
    fallback: () => byDefault(""),
  },
  {
    name: "control_prefix",
    variables: ["LATTICE_CONTROL_PREFIX", "WASMCLOUD_CTL_TOPIC_PREFIX"],
    fallback: () => byDefault("wasmbus.ctl"),
  },
  {
    name: "log_level",
    variables: ["LATTICE_LOG_LEVEL", "WASMCLOUD_LOG_LEVEL"],
    fallback: () => byDefault("info"),
  },
  {
    name: "structured_logs",
    variables: ["LATTICE_STRUCTURED_LOGS", "WASMCLOUD_STRUCTURED_LOGGING_ENABLED"],
    fallback: () => byDefault("false"),
  },
  {
    name: "issuer_key",
    variables: ["LATTICE_ISSUER_KEY", "WASH_ISSUER_KEY"],
    fallback: () => byDefault(""),
  },
  {
    name: "subject_key",
    variables: ["LATTICE_SUBJECT_KEY", "WASH_SUBJECT_KEY"],
    fallback: () => byDefault(""),
  },
  {
    name: "issuers",
    variables: ["LATTICE_ISSUERS"],
    fallback: () => byDefault(""),
  },
  {
    name: "cluster_seed",
    variables: ["LATTICE_CLUSTER_SEED", "WASMCLOUD_CLUSTER_SEED"],
    fallback: () => byDefault(""),
  },
  {
    name: "cluster_issuers",
    variables: ["LATTICE_CLUSTER_ISSUERS", "WASMCLOUD_CLUSTER_ISSUERS"],
    fallback: () => byDefault(""),
  },
  {
    name: "js_domain",
    variables: ["LATTICE_JS_DOMAIN", "WASMCLOUD_JS_DOMAIN"],
    fallback: (env) => fromWashContext(env, "js_domain") ?? byDefault(""),
  },
] as const satisfies readonly SettingRow[];

export type SettingName = (typeof rows)[number]["name"];

/** Seeds may stand in a variable; `config view` must not print them. */
export const secretSettings: readonly SettingName[] = [
  "issuer_key",
  "subject_key",
  "cluster_seed",
  "nats_seed",
  "nats_jwt",
];

/** One setting and where it comes from: our variable, wash's or wasmCloud's, wash's context, default. */
export function setting(name: SettingName, env: Environment = process.env): Setting {
  const row = rows.find((one) => one.name === name);
  if (row === undefined) throw new TypeError(`no setting ${name}`);
  for (const variable of row.variables) {
    const value = env[variable];
    if (value !== undefined && value !== "") return { name, value, origin: `$${variable}` };
  }
  return { name, ...row.fallback(env) };
}

export function allSettings(env: Environment = process.env): Setting[] {
  return rows.map(({ name }) => setting(name, env));
}

/** `$XDG_CONFIG_HOME/wasmlattice`, by default under `~/.config`. Source: XDG Base Directory Specification. */
export function configFolder(env: Environment = process.env): string {
  const base = env.XDG_CONFIG_HOME;
  return join(base && isAbsolute(base) ? base : join(home(env), ".config"), "wasmlattice");
}

/** The version of this package, from its manifest. */
export function packageVersion(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    const file = fileURLToPath(new URL(up, import.meta.url));
    if (!existsSync(file)) continue;
    const { name, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
    if (name === "wasmlattice" && version !== undefined) return version;
  }
  throw new Error("the manifest of wasmlattice is missing beside its code");
}

function home(env: Environment): string {
  return env.HOME || homedir();
}

function byDefault(value: string) {
  return { value, origin: "default" };
}

/** Our contexts, one file each, and the one in use. */
export function contextsFolder(env: Environment = process.env): string {
  return join(configFolder(env), "contexts");
}

/** The context in use: `LATTICE_CONTEXT`, else the one that `ctx use` chose. */
export function currentContext(env: Environment = process.env): string | undefined {
  const said = env.LATTICE_CONTEXT;
  if (said) return said;
  const chosen = readJson(join(contextsFolder(env), "current.json"))?.name;
  return typeof chosen === "string" ? chosen : undefined;
}

export function contextFile(name: string, env: Environment = process.env): string {
  return join(contextsFolder(env), `${name}.context.json`);
}

function fromOwnContext(env: Environment, field: string): { value: string; origin: string } | undefined {
  const name = currentContext(env);
  if (name === undefined) return undefined;
  const file = contextFile(name, env);
  const value = readJson(file)?.[field];
  return typeof value === "string" && value !== "" ? { value, origin: file } : undefined;
}

/** wash's default context, `~/.wash/contexts/NAME.json`, named by `index.json` beside it. */
function fromWashContext(env: Environment, field: string): { value: string; origin: string } | undefined {
  const folder = join(home(env), ".wash", "contexts");
  const index = readJson(join(folder, "index.json"));
  const file = join(folder, `${typeof index?.name === "string" ? index.name : "host_config"}.json`);
  const value = readJson(file)?.[field];
  return typeof value === "string" || typeof value === "number" ? { value: String(value), origin: file } : undefined;
}

function natsOfHostAndPort(env: Environment): { value: string; origin: string } | undefined {
  for (const name of ["WASMCLOUD_CTL", "WASMCLOUD_RPC", "NATS"]) {
    const [host, port] = [env[`${name}_HOST`], env[`${name}_PORT`]];
    if (host) return { value: `nats://${host}:${port || "4222"}`, origin: `$${name}_HOST` };
    if (port && name !== "NATS") return { value: `nats://127.0.0.1:${port}`, origin: `$${name}_PORT` };
  }
  const known = fromWashContext(env, "ctl_host");
  if (known === undefined || known.value === "") return undefined;
  const port = fromWashContext(env, "ctl_port")?.value ?? "4222";
  return { value: `nats://${known.value}:${port}`, origin: known.origin };
}

function readJson(file: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
