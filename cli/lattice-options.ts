import { connect } from "node:net";
import { Option, type Command } from "commander";
import type { HostOptions } from "../host/index.ts";
import { fail, isLatticeError, isSubjectName } from "../lattice/index.ts";
import { collect, listOption, textOption, type Options } from "./command.ts";
import { setting } from "./context.ts";
import { KeyFolder, keyFromReference } from "./key-folder.ts";
import type { Output } from "./output.ts";
import { secretKeyName } from "./secret-keys.ts";

/** Where a server is looked for when none was asked for, and how long. */
const usualAddress = { host: "127.0.0.1", port: 4222 } as const;
const probeMs = 250;

/** Name of the key that all hosts of one user share. */
const clusterKeyName = "cluster";

/** Options of a host that may join a lattice. */
export function addLatticeSettings(command: Command): void {
  command
    .addOption(new Option("--nats <url>", "join the lattice on this NATS server; several between commas"))
    .addOption(new Option("--no-nats", "stand alone"))
    .addOption(new Option("--nats-creds <file>", "credentials for the NATS server, as nsc writes them"))
    .addOption(new Option("--js-domain <name>", "JetStream domain of the shared state"))
    .addOption(new Option("--cluster-seed <file>", "seed of the cluster key; - for standard input"))
    .addOption(
      new Option("--cluster-issuer <key>", "another cluster whose calls are taken, may be repeated").argParser(collect),
    )
    .addOption(new Option("--rpc <form>", "how hosts call each other").choices(["session", "wasmcloud", "both"]))
    .addOption(new Option("--ctl <level>", "what the lattice may ask of this host").choices(["full", "read", "off"]))
    .addOption(new Option("--allow-file-load", "let the lattice name files of this host"))
    .addOption(new Option("--clear-link-values", "show the values of links in events and lists, as 0.x hosts do"))
    .addOption(new Option("--policy-topic <subject>", "ask the policy service on this subject"))
    .addOption(new Option("--policy-changes-topic <subject>", "where that service publishes changes"))
    .addOption(new Option("--config-service", "ask the lattice's config service at the start"));
}

/**
 * What those options amount to; a server that was asked for is never silently left out, one at the usual address
 * is used when it answers.
 * @throws LatticeError USAGE, KEY_MALFORMED.
 */
export async function latticeOptions(
  options: Options,
  inFile: string | undefined,
  output: Output,
): Promise<Partial<HostOptions>> {
  const server = await serverOf(options, inFile);
  if (server === undefined) return {};
  const credsFile = textOption(options, "natsCreds") ?? (setting("nats_creds").value || undefined);
  const domain = textOption(options, "jsDomain") ?? (setting("js_domain").value || undefined);
  const issuers = [...listOption(options, "clusterIssuer"), ...setting("cluster_issuers").value.split(",")];
  const topic = textOption(options, "policyTopic") ?? process.env.WASMCLOUD_POLICY_TOPIC;
  const changesTopic = textOption(options, "policyChangesTopic") ?? process.env.WASMCLOUD_POLICY_CHANGES_TOPIC;
  return {
    nats: {
      servers: server,
      ...(credsFile === undefined ? {} : { credsFile }),
      ...(domain === undefined ? {} : { domain }),
    },
    clusterSeed: await clusterSeed(options, output),
    clusterIssuers: issuers.map((each) => each.trim()).filter(Boolean),
    ...oneOf("rpc", textOption(options, "rpc")),
    ...oneOf("ctl", textOption(options, "ctl")),
    ...(options.allowFileLoad === true || process.env.WASMCLOUD_ALLOW_FILE_LOAD === "true" ? { allowFiles: true } : {}),
    ...(options.clearLinkValues === true ? { clearLinkValues: true } : {}),
    ...(options.configService === true || process.env.WASMCLOUD_CONFIG_SERVICE ? { configService: true } : {}),
    ...(topic ? { policyService: { topic, ...(changesTopic ? { changesTopic } : {}) } } : {}),
  };
}

async function serverOf(options: Options, inFile: string | undefined): Promise<string | undefined> {
  if (options.nats === false) return undefined;
  const { value, origin } = setting("nats");
  const asked = textOption(options, "nats") ?? inFile ?? (origin.startsWith("$") ? value : undefined);
  if (asked !== undefined && asked !== "") return asked;
  return (await answers(usualAddress)) ? `nats://${usualAddress.host}:${usualAddress.port}` : undefined;
}

/** Whether somebody listens there. */
function answers({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: probeMs });
    const end = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}

/** The one that was given, else that of the key folder, made on first use. */
async function clusterSeed(options: Options, output: Output): Promise<string> {
  const { value, origin } = setting("cluster_seed");
  const given = textOption(options, "clusterSeed") ?? value;
  if (given !== "")
    return (await keyFromReference(given, "cluster", "--cluster-seed", origin.startsWith("$") && given === value)).seed;
  const folder = new KeyFolder();
  const { seed } = folder.getOrMake(clusterKeyName, "cluster", true, output);
  makeSecretKey(folder, output);
  return seed;
}

/** Who relies on the folder for the one key relies on it for the other; a folder that cannot be written has none. */
function makeSecretKey(folder: KeyFolder, output: Output): void {
  try {
    folder.getOrMake(secretKeyName, "curve", true, output);
  } catch (error) {
    if (!isLatticeError(error) || error.code !== "FILE_UNWRITABLE") throw error;
  }
}

function oneOf<T extends "rpc" | "ctl">(name: T, value: string | undefined): Partial<HostOptions> {
  if (value === undefined) return {};
  if (!isSubjectName(value)) throw fail("USAGE", `--${name} takes a word`);
  return { [name]: value };
}
