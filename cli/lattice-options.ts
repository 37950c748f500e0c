import { connect } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { Option, type Command } from "commander";
import type { HostOptions, NatsEntry } from "../host/index.ts";
import { fail, isLatticeError, isSubjectName } from "../lattice/index.ts";
import { collect, listOption, textOption, wholeNumber, type Options } from "./command.ts";
import { setting } from "./context.ts";
import { KeyFolder, keyFromReference } from "./key-folder.ts";
import { addNatsLogin, natsLogin, natsOptions, over, serversOfVariables } from "./nats-settings.ts";
import type { Output } from "./output.ts";
import { secretKeyName } from "./secret-keys.ts";

/** Where a server is looked for when none was asked for, and how long. */
const usualAddress = { host: "127.0.0.1", port: 4222 } as const;
const probeMs = 250;

/** Name of the key that all hosts of one user share. */
const clusterKeyName = "cluster";

/** Options of a host that may join a lattice. */
export function addLatticeSettings(command: Command): void {
  addNatsLogin(command);
  command
    .addOption(new Option("--nats <url>", "join the lattice on this NATS server; several between commas"))
    .addOption(new Option("--no-nats", "stand alone"))
    .addOption(new Option("--nats-replicas <count>", "copies that new shared state keeps in a cluster, 1 to 5"))
    .addOption(new Option("--js-domain <name>", "JetStream domain of the shared state"))
    .addOption(new Option("--cluster-seed <file>", "seed of the cluster key; - for standard input"))
    .addOption(
      new Option("--cluster-issuer <key>", "another cluster whose calls are taken, may be repeated").argParser(collect),
    )
    .addOption(new Option("--rpc <form>", "how hosts call each other").choices(["session", "wasmcloud", "both"]))
    .addOption(new Option("--ctl <level>", "what the lattice may ask of this host").choices(["full", "read", "off"]))
    .addOption(new Option("--ctl-topic-prefix <subject>", "what control subjects begin with, instead of wasmbus.ctl"))
    .addOption(new Option("--allow-file-load", "let the lattice name files of this host"))
    .addOption(new Option("--clear-link-values", "show the values of links in events and lists, as 0.x hosts do"))
    .addOption(new Option("--policy-topic <subject>", "ask the policy service on this subject"))
    .addOption(new Option("--policy-changes-topic <subject>", "where that service publishes changes"))
    .addOption(new Option("--invocation-events", "publish an event for every call, as hosts of OTP did"))
    .addOption(new Option("--config-service", "ask the lattice's config service at the start"));
}

/**
 * What those options amount to; a server that was asked for is never silently left out, one at the usual address
 * is used when it answers.
 * @throws LatticeError USAGE, KEY_MALFORMED.
 */
export async function latticeOptions(
  options: Options,
  inFile: NatsEntry | undefined,
  output: Output,
): Promise<Partial<HostOptions>> {
  const server = await serverOf(options, inFile?.url);
  if (server === undefined) return {};
  const issuers = [...listOption(options, "clusterIssuer"), ...setting("cluster_issuers").value.split(",")];
  const topic = textOption(options, "policyTopic") ?? process.env.WASMCLOUD_POLICY_TOPIC;
  const changesTopic = textOption(options, "policyChangesTopic") ?? process.env.WASMCLOUD_POLICY_CHANGES_TOPIC;
  return {
    nats: byUse(server, natsLogin(options, textOption(options, "nats") === undefined ? inFile : oneServer(inFile))),
    controlPrefix: textOption(options, "ctlTopicPrefix") ?? setting("control_prefix").value,
    clusterSeed: await clusterSeed(options, output),
    clusterIssuers: issuers.map((each) => each.trim()).filter(Boolean),
    ...oneOf("rpc", textOption(options, "rpc")),
    ...oneOf("ctl", textOption(options, "ctl")),
    ...(options.allowFileLoad === true || process.env.WASMCLOUD_ALLOW_FILE_LOAD === "true" ? { allowFiles: true } : {}),
    ...(options.clearLinkValues === true ? { clearLinkValues: true } : {}),
    ...(options.invocationEvents === true ? { invocationEvents: true } : {}),
    ...(options.configService === true || process.env.WASMCLOUD_CONFIG_SERVICE ? { configService: true } : {}),
    ...(topic
      ? {
          policyService: {
            topic,
            ...(changesTopic ? { changesTopic } : {}),
            ...milliseconds("WASMCLOUD_POLICY_TIMEOUT"),
          },
        }
      : {}),
  };
}

/** One server for everything, or those that the host file or the variables of a 0.x host name for each use. */
function byUse(server: string, login: NatsEntry): HostOptions["nats"] {
  const { origin, value } = setting("nats");
  const said = server === value && origin.startsWith("$WASMCLOUD_") ? over(login, serversOfVariables()) : login;
  const { control, provider, ...rpc } = { ...said, url: said === login ? server : (said.url ?? server) };
  const one = ({ url, ...entry }: NatsEntry) => natsOptions(url ?? server, over(rpc, entry));
  if (control === undefined && provider === undefined) return natsOptions(rpc.url, rpc);
  const differs = (entry: NatsEntry | undefined): entry is NatsEntry =>
    entry !== undefined && !isDeepStrictEqual(over(rpc, entry), rpc);
  return {
    rpc: natsOptions(rpc.url, rpc),
    ...(differs(control) && { control: one(control) }),
    ...(differs(provider) && { provider: one(provider) }),
  };
}

/** A server that the command line names serves every use. */
function oneServer(inFile: NatsEntry = {}): NatsEntry {
  const { control: _control, provider: _provider, ...rest } = inFile;
  return rest;
}

function milliseconds(variable: string): { readonly timeoutMs?: number } {
  const text = process.env[variable];
  return text ? { timeoutMs: wholeNumber(text, `$${variable}`, 1, 60_000) } : {};
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

/** `HOST_zone=a` is the label `zone`. Source: lattice protocol reference, section 8. */
export function labelsOfVariables(): Readonly<Record<string, string>> {
  const named = Object.entries(process.env).filter(([name, value]) => /^HOST_./.test(name) && value);
  return Object.fromEntries(named.map(([name, value]) => [name.slice("HOST_".length), value ?? ""]));
}

/** Times that a 0.x host takes from variables. Source: lattice protocol reference, section 14. */
export function limitsOfVariables(): NonNullable<HostOptions["limits"]> {
  const rows = [
    ["WASMCLOUD_RPC_TIMEOUT_MS", "rpcTimeoutMs"],
    ["WASMCLOUD_PROV_SHUTDOWN_DELAY_MS", "archiveStopMs"],
  ] as const;
  return Object.fromEntries(
    rows.flatMap(([variable, limit]) => {
      const text = process.env[variable];
      return text ? [[limit, wholeNumber(text, `$${variable}`, 1, 3_600_000)] as const] : [];
    }),
  );
}

function oneOf<T extends "rpc" | "ctl">(name: T, value: string | undefined): Partial<HostOptions> {
  if (value === undefined) return {};
  if (!isSubjectName(value)) throw fail("USAGE", `--${name} takes a word`);
  return { [name]: value };
}
