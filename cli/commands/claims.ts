import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Option, type Command } from "commander";
import {
  encodeActorToken,
  encodeToken,
  fail,
  failFrom,
  fileTrouble,
  type KeyKind,
  type KeyPair,
} from "../../lattice/index.ts";
import { actorMetadata, addActorFlags, addSigningFlags, dates } from "../claims-flags.ts";
import { collect, group, leaf, listOption, textOption, wholeNumber, type Call, type Options } from "../command.ts";
import { readInput } from "../files.ts";
import { keyFromReference } from "../key-folder.ts";
import { keyFor } from "../signing-keys.ts";
import { claimsInspect } from "../claims-inspect.ts";

/** As wash: the short letters of a command that has flags of its own come first. */
const washLetters = { lettersTaken: ["q", "v"] } as const;

export function command(): Command {
  return group("claims", "sign modules and read their claims", [
    claimsInspect(),
    sign(),
    group("token", "print a signed token", [tokenActor(), tokenProvider(), tokenAccount(), tokenOperator()]),
  ]);
}

function sign(): Command {
  return leaf({
    name: "sign",
    summary: "sign a module: what it is, what it may use, how long",
    ...washLetters,
    args: [["<source>", "the module, or - for standard input"]],
    options: (made) => {
      made.addOption(new Option("-d, --destination <file>", "where the signed module goes; default SOURCE_s.wasm"));
      addActorFlags(made);
    },
    more: `Examples:
  lattice claims sign counter.wasm --name Counter -q -k
  lattice claims sign echo.wasm -n Echo --cap wasmcloud:httpserver --rev 2 --ver 0.2.0 --call-alias demo/echo`,
    work: async (call) => {
      const { output, options, args } = call;
      const source = String(args[0]);
      const { signModule, withoutTokens } = await import("../../actors/index.ts");
      // What cannot be signed is refused before keys are made for it.
      const bytes = withoutTokens(await readInput(source), source);
      const stem = basename(source).replace(/\.wasm$/, "");
      const destination = textOption(options, "destination") ?? defaultDestination(source, stem);
      const metadata = { name: textOption(options, "name") ?? stem, ...actorMetadata(options) };
      const issuer = await keyFor(call, "issuer", "account", "user_account");
      const module = await keyFor(call, "subject", "module", `${stem}_module`);
      const signed = signModule(bytes, { ...metadata, issuer, module, file: source });
      write(destination, signed);
      const { capabilities } = metadata;
      await output.show(
        { destination, capabilities, module: module.publicKey, account: issuer.publicKey },
        capabilities.length > 0
          ? `Successfully signed ${destination} with capabilities: ${capabilities.join(",")}`
          : `Successfully signed ${destination} without capabilities`,
        destination,
      );
    },
  });
}

function tokenActor(): Command {
  return leaf({
    name: "actor",
    summary: "a token for an actor, not bound to a module",
    ...washLetters,
    options: addActorFlags,
    work: async (call) => {
      const name = needed(call.options, "name");
      const issuer = await keyFor(call, "issuer", "account", "user_account");
      const subject = await keyFor(call, "subject", "module", `${name}_module`);
      await print(call, encodeActorToken(subject.publicKey, "", { name, ...actorMetadata(call.options) }, issuer));
    },
  });
}

function tokenProvider(): Command {
  return leaf({
    name: "provider",
    summary: "a token for a capability provider",
    ...washLetters,
    options: (made) => {
      made
        .addOption(new Option("-n, --name <name>", "name for people"))
        .addOption(new Option("-c, --capid <contract>", "contract that it provides"))
        .addOption(new Option("-v, --vendor <vendor>", "who made it"))
        .addOption(new Option("-r, --revision <number>", "revision, grows with each release"))
        .addOption(new Option("-e, --version <version>", "version for people"));
      addSigningFlags(made);
    },
    work: async (call) => {
      const { options } = call;
      const name = needed(options, "name");
      const revision = textOption(options, "revision");
      const metadata = {
        name,
        capid: needed(options, "capid"),
        vendor: needed(options, "vendor"),
        rev: revision === undefined ? undefined : wholeNumber(revision, "--revision", -(2 ** 31), 2 ** 31 - 1),
        ver: textOption(options, "version"),
        target_hashes: {},
      };
      const issuer = await keyFor(call, "issuer", "account", "user_account");
      const subject = await keyFor(call, "subject", "service", `${name}_service`);
      await print(call, encodeToken({ subject: subject.publicKey, metadata, ...dates(options) }, issuer));
    },
  });
}

function tokenAccount(): Command {
  return leaf({
    name: "account",
    summary: "a token for an account, signed by an operator",
    options: addSignerFlags,
    work: async (call) => {
      const name = needed(call.options, "name");
      const issuer = await keyFor(call, "issuer", "operator", `${name}_operator`);
      const subject = await keyFor(call, "subject", "account", "user_account");
      const metadata = { name, valid_signers: await additionalKeys(call.options, "account") };
      await print(call, encodeToken({ subject: subject.publicKey, metadata, ...dates(call.options) }, issuer));
    },
  });
}

function tokenOperator(): Command {
  return leaf({
    name: "operator",
    summary: "a token for an operator, signed by itself",
    options: addSignerFlags,
    work: async (call) => {
      const name = needed(call.options, "name");
      const issuer = await keyFor(call, "issuer", "operator", `${name}_operator`);
      const metadata = { name, valid_signers: await additionalKeys(call.options, "operator") };
      await print(call, encodeToken({ subject: issuer.publicKey, metadata, ...dates(call.options) }, issuer));
    },
  });
}

function addSignerFlags(made: Command): void {
  made
    .addOption(new Option("-n, --name <name>", "name for people"))
    .addOption(
      new Option("-a, --additional-key <file>", "seed of a further valid signer, may be repeated").argParser(collect),
    );
  addSigningFlags(made);
}

async function additionalKeys(options: Options, kind: KeyKind): Promise<string[]> {
  const pairs: KeyPair[] = [];
  for (const file of listOption(options, "additionalKey")) {
    pairs.push(await keyFromReference(file, kind, "--additional-key"));
  }
  return pairs.map(({ publicKey }) => publicKey);
}

function needed(options: Options, name: string): string {
  const value = textOption(options, name);
  if (value === undefined) throw fail("USAGE", `--${name} is needed`);
  return value;
}

async function print(call: Call, token: string): Promise<void> {
  await call.output.show({ token }, token, token);
}

function defaultDestination(source: string, stem: string): string {
  if (source === "-") throw fail("USAGE", "--destination is needed when the module comes from standard input");
  return join(dirname(source), `${stem}_s.wasm`);
}

function write(file: string, bytes: Uint8Array): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  } catch (error) {
    throw failFrom(error, "FILE_UNWRITABLE", file, fileTrouble(error));
  }
}
