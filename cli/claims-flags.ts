import { Option, type Command } from "commander";
import { fail } from "../lattice/index.ts";
import { collect, listOption, textOption, wholeNumber, type Options } from "./command.ts";

/** wash's flags for capabilities, in the order in which it writes them. */
const capabilityFlags = [
  { flags: "-k, --keyvalue", name: "keyvalue", contract: "wasmcloud:keyvalue", about: "key-value store" },
  { flags: "-g, --msg", name: "msg", contract: "wasmcloud:messaging", about: "message broker" },
  { flags: "--http_client", name: "http_client", contract: "wasmcloud:httpclient", about: "HTTP client" },
  { flags: "-q, --http_server", name: "http_server", contract: "wasmcloud:httpserver", about: "HTTP server" },
  { flags: "-f, --blob_store", name: "blob_store", contract: "wasmcloud:blobstore", about: "blob store" },
  // wash's own -z claims nothing; the contract it meant is this one.
  { flags: "-z, --extras", name: "extras", contract: "wasmcloud:builtin:numbergen", about: "random numbers and ids" },
  { flags: "-l, --logging", name: "logging", contract: "wasmcloud:builtin:logging", about: "logging" },
  { flags: "-e, --events", name: "events", contract: "wasmcloud:eventstreams", about: "event streams" },
] as const;

export function addActorFlags(command: Command): void {
  for (const { flags, about } of capabilityFlags) command.addOption(new Option(flags, `claim the ${about} capability`));
  command
    .addOption(new Option("-c, --cap <contract>", "claim another contract, may be repeated").argParser(collect))
    .addOption(new Option("-n, --name <name>", "name for people"))
    .addOption(new Option("-t, --tag <tag>", "a tag, may be repeated").argParser(collect))
    .addOption(new Option("-p, --prov", "the module is a portable capability provider, not an actor"))
    .addOption(new Option("-r, --rev <number>", "revision, grows with each release"))
    .addOption(new Option("-v, --ver <version>", "version for people"))
    .addOption(
      new Option("-a, --call-alias <alias>", "name other actors call it by: lower-case letters, digits, _ and /"),
    );
  addSigningFlags(command);
}

/** Who signs whom, and for how long. */
export function addSigningFlags(command: Command): void {
  command
    .addOption(new Option("-i, --issuer <file>", "seed of the issuer; - for standard input"))
    .addOption(new Option("-s, --subject <file>", "seed of the subject; - for standard input"))
    .addOption(new Option("--directory <folder>", "where seeds are, and are made on first use"))
    .addOption(new Option("-x, --expires <days>", "days until it expires"))
    .addOption(new Option("-b, --nbf <days>", "days until it may be used"))
    .addOption(new Option("--disable-keygen", "fail rather than make a key"));
}

/** What the flags say of an actor. @throws LatticeError USAGE. */
export function actorMetadata(options: Options) {
  const capabilities = [
    ...capabilityFlags.filter(({ name }) => options[name] === true).map(({ contract }) => contract as string),
    ...listOption(options, "cap"),
  ];
  const alias = textOption(options, "callAlias");
  if (alias !== undefined && !/^[a-z0-9_/]+$/.test(alias)) {
    throw fail("USAGE", `call alias "${alias}" may hold lower-case letters, digits, _ and / only`);
  }
  const portable = options.prov === true;
  if (portable && capabilities.length > 1)
    throw fail("USAGE", "a capability provider provides one contract: claim one");
  const revision = textOption(options, "rev");
  return {
    capabilities,
    tags: listOption(options, "tag").flatMap((tag) => tag.split(",")),
    revision: revision === undefined ? undefined : wholeNumber(revision, "--rev", -(2 ** 31), 2 ** 31 - 1),
    version: textOption(options, "ver"),
    callAlias: alias,
    portableProvider: portable,
    ...dates(options),
  };
}

/** The moments of -x and -b, in seconds since 1970. */
export function dates(options: Options): { expiresAt: number | undefined; notBefore: number | undefined } {
  const inDays = (name: string, flag: string) => {
    const text = textOption(options, name);
    return text === undefined
      ? undefined
      : Math.floor(Date.now() / 1_000) + wholeNumber(text, flag, 0, 365_000) * 86_400;
  };
  return { expiresAt: inDays("expires", "--expires"), notBefore: inDays("nbf", "--nbf") };
}
