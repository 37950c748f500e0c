import { resolve } from "node:path";
import { Option, type Command } from "commander";
import type { Registries } from "../actors/index.ts";
import type { HostOptions, LimitName, SecretSources } from "../host/index.ts";
import { fail, type KeyKind } from "../lattice/index.ts";
import { collect, listOption, pair, pairs, textOption, wholeNumber, type Options } from "./command.ts";
import { setting } from "./context.ts";
import { keyFromReference } from "./key-folder.ts";
import { addSecretKeyOption, secretKeys } from "./secret-keys.ts";

const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
type LogLevel = (typeof logLevels)[number];

/** Options of a host that `run` and `up` share. */
export function addHostSettings(command: Command): void {
  command
    .addOption(new Option("--engines <count>", "threads that run guests; 0 runs them in the main thread").default("1"))
    .addOption(
      new Option(
        "--limit <name=value>",
        "a limit of the host, may be repeated; lattice describe host lists them",
      ).argParser(collect),
    )
    .addOption(new Option("--issuer <key>", "allow modules of this account only, may be repeated").argParser(collect))
    .addOption(new Option("--strict", "refuse what is only warned about otherwise"))
    .addOption(
      new Option("--secret-dir <folder>", "folder of secrets that links may refer to, may be repeated").argParser(
        collect,
      ),
    )
    .addOption(
      new Option("--secret-env <name>", "variable that links may refer to (* for any text), may be repeated").argParser(
        collect,
      ),
    )
    .addOption(new Option("--label <k=v>", "a label of the host, may be repeated").argParser(collect))
    .addOption(new Option("--lattice <name>", "name of the lattice"))
    .addOption(new Option("-x, --lattice-prefix <name>", "as --lattice").hideHelp())
    .addOption(new Option("--metrics <address>", "HOST:PORT of /metrics, /livez and /readyz"))
    .addOption(new Option("--socket <path>", "control socket of the host, instead of one in the run folder"))
    .addOption(new Option("--allow-latest", "fetch images tagged latest, or with no tag, too"))
    .addOption(
      new Option("--allowed-insecure <registry>", "registry that needs no TLS, may be repeated").argParser(collect),
    )
    .addOption(new Option("--host-seed <file>", "seed of the host's key; - for standard input"))
    .addOption(new Option("--log-level <level>", "how much is logged").choices(logLevels))
    .addOption(new Option("--structured", "log JSON lines"))
    .addOption(new Option("--enable-structured-logging", "as --structured").hideHelp());
  addSecretKeyOption(command);
}

/** What those options amount to. @throws LatticeError USAGE, KEY_MALFORMED. */
export async function hostOptions(options: Options): Promise<HostOptions> {
  const metrics = textOption(options, "metrics");
  const issuers = [...listOption(options, "issuer"), ...setting("issuers").value.split(",")].filter(Boolean);
  const seed = await hostSeed(options);
  const registries = await registrySettings(options);
  const structured = options.structured === true || options.enableStructuredLogging === true;
  return {
    engines: wholeNumber(textOption(options, "engines") ?? "1", "--engines", 0, 256),
    lattice: textOption(options, "lattice") ?? textOption(options, "latticePrefix") ?? setting("lattice").value,
    labels: pairs(listOption(options, "label"), "--label"),
    limits: limits(listOption(options, "limit")),
    controlSocket: textOption(options, "socket") ?? true,
    logLevel: logLevel(options),
    structured: structured || setting("structured_logs").value === "true",
    ...(issuers.length === 0 ? {} : { issuers }),
    secrets: await secretSources(options),
    ...(options.strict === true ? { strict: true } : {}),
    ...(metrics === undefined ? {} : { metricsAddress: metrics }),
    ...(seed === undefined ? {} : { hostSeed: seed }),
    ...(registries === undefined ? {} : { registries }),
  };
}

/** Systemd and others name their folder of secrets themselves. */
async function secretSources(options: Options): Promise<Partial<SecretSources>> {
  const variables = listOption(options, "secretEnv");
  const folders = listOption(options, "secretDir").map((folder) => resolve(folder));
  const { CREDENTIALS_DIRECTORY: given } = process.env;
  return {
    keys: (await secretKeys(options)).map(({ seed }) => seed),
    ...(variables.length === 0 ? {} : { variables }),
    folders: given ? [...folders, resolve(given)] : folders,
  };
}

/** What the flags add to the environment; undefined when they say nothing, so that nothing is loaded for it. */
async function registrySettings(options: Options): Promise<Registries | undefined> {
  const insecure = listOption(options, "allowedInsecure");
  if (insecure.length === 0 && options.allowLatest !== true) return undefined;
  const { registriesFromEnvironment } = await import("../actors/index.ts");
  const known = registriesFromEnvironment();
  return {
    ...known,
    insecure: [...(known.insecure ?? []), ...insecure],
    ...(options.allowLatest === true ? { allowLatest: true } : {}),
  };
}

function logLevel(options: Options): LogLevel {
  const word = textOption(options, "logLevel") ?? setting("log_level").value.toLowerCase();
  const level = logLevels.find((known) => known === word);
  if (level === undefined) throw fail("USAGE", `there is no log level "${word}"; use ${logLevels.join(", ")}`);
  return level;
}

function limits(texts: readonly string[]): Partial<Record<LimitName, number>> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name, value] = pair(text, "--limit");
      return [name, wholeNumber(value, `--limit ${name}`, 0, Number.MAX_SAFE_INTEGER)];
    }),
  );
}

async function hostSeed(options: Options): Promise<string | undefined> {
  const kind: KeyKind = "server";
  const file = textOption(options, "hostSeed");
  if (file !== undefined) return (await keyFromReference(file, kind, "--host-seed")).seed;
  const variable = ["LATTICE_HOST_SEED", "WASMCLOUD_HOST_SEED"].find((name) => process.env[name]);
  if (variable === undefined) return undefined;
  return (await keyFromReference(process.env[variable] ?? "", kind, `$${variable}`, true)).seed;
}
