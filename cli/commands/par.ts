import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Option, type Command } from "commander";
import type { VerifiedArchive } from "../../actors/index.ts";
import { describe, fail, failFrom } from "../../lattice/index.ts";
import { dates } from "../claims-flags.ts";
import { group, leaf, textOption, wholeNumber, type Options } from "../command.ts";
import { readBytes } from "../files.ts";
import { keyFromReference } from "../key-folder.ts";
import { keyFor } from "../signing-keys.ts";
import { renderPairs } from "../table.ts";

/** wash gave these letters away: `-v` is the vendor. */
const washLetters = { lettersTaken: ["v"] } as const;

export function command(): Command {
  return group("par", "make and read provider archives (.par)", [create(), insert(), inspect(), extract()]);
}

function create(): Command {
  return leaf({
    name: "create",
    summary: "a signed archive of one provider binary, or of one module for Node",
    ...washLetters,
    options: (made) => {
      made
        .addOption(new Option("-c, --capid <contract>", "contract that it provides"))
        .addOption(new Option("-v, --vendor <vendor>", "who made it"))
        .addOption(new Option("-r, --revision <number>", "revision, grows with each release"))
        .addOption(new Option("--version <version>", "version for people"))
        .addOption(new Option("-j, --schema <file>", "JSON schema of its link values"))
        .addOption(new Option("-n, --name <name>", "name for people"))
        .addOption(new Option("--destination <file>", "where it goes; default BINARY.par"))
        .addOption(new Option("--compress", "gzip it; the file ends in .par.gz"))
        .addOption(new Option("-x, --expires <days>", "days until it expires"))
        .addOption(new Option("--network", "a module for Node may open connections and listen"))
        .addOption(
          new Option("-b, --binary <file>", "the provider's binary; a module (.ts, .mts, .js, .mjs) for Node"),
        );
      addTargetFlag(made);
      addKeyFlags(made);
    },
    more: `A module for Node is one ES module that imports node: modules and wasmlattice only; its types are erased.

Examples:
  lattice par create -c demo:payments -v Demo -n Payments -a x86_64-linux -b ./payments
  lattice par create -c demo:greeting -v Demo -n Greeter -b greeting.ts`,
    work: async (call) => {
      const { output, options } = call;
      const { makeArchive } = await import("../../actors/index.ts");
      const binary = needed(options, "binary");
      const stem = basename(binary).replace(/\.[^.]*$/, "");
      const compress = options.compress === true;
      const revision = textOption(options, "revision");
      const schema = textOption(options, "schema");
      const metadata = {
        name: needed(options, "name"),
        contractId: needed(options, "capid"),
        vendor: needed(options, "vendor"),
        revision: revision === undefined ? undefined : wholeNumber(revision, "--revision", -(2 ** 31), 2 ** 31 - 1),
        version: textOption(options, "version"),
        configSchema: schema === undefined ? undefined : readJson(schema),
        expiresAt: dates(options).expiresAt,
        network: options.network === true,
      };
      const binaries = new Map([await readBinary(options)]);
      const issuer = await keyFor(call, "issuer", "account", "user_account");
      const { publicKey: subject } = await keyFor(call, "subject", "service", `${stem}_service`);
      const file = textOption(options, "destination") ?? `${stem}.par${compress ? ".gz" : ""}`;
      write(file, makeArchive({ ...metadata, issuer, subject, binaries, compress }), 0o644);
      await output.show(
        { file, service: subject, account: issuer.publicKey },
        `Successfully created archive ${file}`,
        file,
      );
    },
  });
}

function insert(): Command {
  return leaf({
    name: "insert",
    summary: "add the binary of another target, or replace one, and sign anew",
    args: [["<archive>", "the archive, which is changed"]],
    options: (made) => {
      made.addOption(new Option("-b, --binary <file>", "the provider's binary"));
      addTargetFlag(made);
      addKeyFlags(made);
    },
    work: async (call) => {
      const { output, options, args } = call;
      const file = String(args[0]);
      const { insertBinary } = await import("../../actors/index.ts");
      const binary = needed(options, "binary");
      const issuer = await keyFor(call, "issuer", "account", "user_account");
      const subject = await subjectOf(options);
      const [target, bytes] = await readBinary(options);
      const changed = insertBinary(readBytes(file), target, bytes, {
        issuer,
        name: file,
        ...(subject === undefined ? {} : { subject }),
      });
      write(file, changed, 0o644);
      await output.show({ file }, `Successfully inserted ${binary} into archive ${file}`, file);
    },
  });
}

function inspect(): Command {
  return leaf({
    name: "inspect",
    summary: "say what an archive holds and who signed it",
    args: [["<archive>", "file, https URL or image"]],
    work: async ({ output, args }) => {
      const archive = await fetchArchive(String(args[0]));
      const { claims } = archive;
      const targets = [...archive.binaries.keys()].toSorted();
      const document = {
        name: claims.name,
        service: claims.key,
        issuer: claims.issuer,
        capability_contract_id: claims.contractId,
        vendor: claims.vendor,
        version: claims.version ?? "None",
        revision: claims.revision === undefined ? "None" : String(claims.revision),
        targets,
        ...(claims.network ? { network: true } : {}),
        ...(claims.configSchema === undefined ? {} : { schema: claims.configSchema }),
      };
      const text = renderPairs([
        ["Name", claims.name],
        ["Account", claims.issuer],
        ["Service", claims.key],
        ["Capability Contract ID", claims.contractId],
        ["Vendor", claims.vendor],
        ["Version", document.version],
        ["Revision", document.revision],
        ["Network", claims.network ? "its module for Node may use it" : undefined],
        ["Supported Architecture Targets", targets.join(", ")],
        ["Link Definition Schema", claims.configSchema === undefined ? undefined : "yes, shown with -o json"],
      ]);
      await output.show(document, text, claims.key);
    },
  });
}

function extract(): Command {
  return leaf({
    name: "extract",
    summary: "write the verified binaries and the token of an archive into a folder",
    args: [["<archive>", "file, https URL or image"]],
    options: (made) => {
      made.addOption(new Option("-d, --directory <folder>", "where they go; default the current folder").default("."));
      made.addOption(new Option("-a, --arch <target>", "this target alone, for example x86_64-linux"));
    },
    work: async ({ output, options, args }) => {
      const { binaryOf } = await import("../../actors/index.ts");
      const archive = await fetchArchive(String(args[0]));
      const folder = textOption(options, "directory") ?? ".";
      const target = textOption(options, "arch");
      const binaries = target === undefined ? archive.binaries : new Map([[target, binaryOf(archive, target)]]);
      const token = join(folder, "claims.jwt");
      write(token, Buffer.from(archive.claims.token), 0o644);
      const files = [token];
      for (const [name, binary] of binaries) {
        const file = join(folder, `${name}.bin`);
        write(file, binary, 0o755);
        files.push(file);
      }
      await output.show({ files }, files.join("\n"), files.join("\n"));
    },
  });
}

/** The target and what goes in for it: a module for Node when that is the target, or none is named and it is one. */
async function readBinary(options: Options): Promise<readonly [string, Uint8Array]> {
  const { isModuleFile, nodeModule, nodeTarget } = await import("../../actors/index.ts");
  const file = needed(options, "binary");
  const target = textOption(options, "arch") ?? (isModuleFile(file) ? nodeTarget : needed(options, "arch"));
  const bytes = readBytes(file);
  return [target, target === nodeTarget ? nodeModule(file, bytes) : bytes];
}

/** Signature, dates and hashes hold, whoever signed: the reader decides. */
async function fetchArchive(reference: string): Promise<VerifiedArchive> {
  const { fetchModule, verifyArchive } = await import("../../actors/index.ts");
  const { bytes, origin } = await fetchModule(reference);
  return verifyArchive(bytes, { name: origin });
}

function addTargetFlag(made: Command): void {
  made.addOption(
    new Option("-a, --arch <target>", "ARCH-OS of the binary, for example x86_64-linux; node for a module"),
  );
}

function addKeyFlags(made: Command): void {
  made
    .addOption(new Option("-i, --issuer <file>", "seed of the issuer; - for standard input"))
    .addOption(new Option("-s, --subject <file>", "seed of the provider; - for standard input"))
    .addOption(new Option("-d, --directory <folder>", "where seeds are, and are made on first use"))
    .addOption(new Option("--disable-keygen", "fail rather than make a key"));
}

/** The archive keeps its own key unless another is named. */
async function subjectOf(options: Options): Promise<string | undefined> {
  const flag = textOption(options, "subject");
  return flag === undefined ? undefined : (await keyFromReference(flag, "service", "--subject")).publicKey;
}

function needed(options: Options, name: string): string {
  const value = textOption(options, name);
  if (value === undefined) throw fail("USAGE", `--${name} is needed`);
  return value;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readBytes(file).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw failFrom(error, "FILE_UNREADABLE", file, describe(error));
  }
}

function write(file: string, bytes: Uint8Array, mode: number): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes, { mode });
    chmodSync(file, mode);
  } catch (error) {
    throw failFrom(error, "FILE_UNWRITABLE", file, describe(error));
  }
}
