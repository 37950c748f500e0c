import { Option, type Command } from "commander";
import {
  checkSecretName,
  fail,
  openSecret,
  readSealedSecret,
  sealSecret,
  secretsBucket,
  type State,
} from "../../lattice/index.ts";
import { collect, group, leaf, listOption, type Call, type Options } from "../command.ts";
import { readInput } from "../files.ts";
import { KeyFolder } from "../key-folder.ts";
import { addLatticeOptions, latticeChoice, openLattice } from "../lattice-access.ts";
import { addSecretKeyOption, secretKeyName, secretKeys } from "../secret-keys.ts";

export function command(): Command {
  return group("secret", "keep secrets of links in the lattice, sealed", [put(), get(), list(), del()]);
}

/** Where a host looks for a server, too. */
const usualServer = "nats://127.0.0.1:4222";

/** The bucket of the lattice that the options name. */
async function bucketOf(options: Options): Promise<{ readonly secrets: State; readonly lattice: string }> {
  const choice = latticeChoice(options) ?? latticeChoice({ ...options, nats: usualServer });
  if (!choice) throw fail("USAGE", "--nats names the server of the lattice");
  const { connection, subjects } = await openLattice(choice);
  return { secrets: connection.state(secretsBucket(subjects.lattice)), lattice: subjects.lattice };
}

function put(): Command {
  return leaf({
    name: "put",
    summary: "seal a secret; links that refer to it get it at once",
    args: [
      ["<name>", "links name it secret:nats:NAME"],
      ["[source]", "@FILE, or - for standard input, which is the default; one line end at its end is left out"],
    ],
    options: (made) => {
      addLatticeOptions(made);
      addSecretKeyOption(made);
      made.addOption(
        new Option("--to <key>", "X key that shall open it, may be repeated; default that of --secret-key").argParser(
          collect,
        ),
      );
    },
    more: `Example:
  lattice secret put redis.password @password.txt
  lattice link put counter store 'url=redis://:\${secret:nats:redis.password}@db'`,
    work: async (call) => {
      const { options, output, args } = call;
      const name = String(args[0]);
      const source = args[1] === undefined ? "-" : String(args[1]);
      checkSecretName(name);
      if (source !== "-" && !source.startsWith("@"))
        throw fail("USAGE", "a secret comes from @FILE or standard input: others see what stands on the command line");
      const recipients = await recipientsOf(call);
      if (source === "-" && process.stdin.isTTY) output.note("Type the secret, then Ctrl-D.");
      const text = (await readInput(source.replace(/^@/, ""))).toString("utf8").replace(/\r?\n$/, "");
      const { secrets, lattice } = await bucketOf(options);
      const revision = await secrets.put(name, sealSecret(text, recipients));
      await output.show(
        { name, lattice, revision, sealed_for: recipients },
        `Sealed ${name} in lattice ${lattice} for ${recipients.join(", ")}`,
        name,
      );
    },
  });
}

/** Those named, else the holder of the keys that this command has, made on first use. */
async function recipientsOf({ options, output }: Call): Promise<readonly string[]> {
  const named = listOption(options, "to");
  if (named.length > 0) return named;
  const own = await secretKeys(options);
  const pairs = own.length > 0 ? own : [new KeyFolder().getOrMake(secretKeyName, "curve", true, output)];
  return pairs.map(({ publicKey }) => publicKey);
}

function get(): Command {
  return leaf({
    name: "get",
    summary: "print a secret, for who holds a key that opens it",
    args: [["<name>", "its name"]],
    options: (made) => {
      addLatticeOptions(made);
      addSecretKeyOption(made);
    },
    work: async ({ options, output, args }) => {
      const name = String(args[0]);
      checkSecretName(name);
      const keys = await secretKeys(options);
      const { secrets, lattice } = await bucketOf(options);
      const entry = await secrets.get(name);
      if (!entry) throw fail("SECRET_ABSENT", name, lattice);
      const opened = openSecret(entry.value, keys);
      if ("problem" in opened) throw fail("SECRET_UNAVAILABLE", `nats:${name} ${opened.problem}`);
      await output.show({ name, revision: entry.revision, value: opened.text }, opened.text);
    },
  });
}

function list(): Command {
  return leaf({
    name: "list",
    summary: "list names of secrets, and who can open them",
    options: addLatticeOptions,
    work: async ({ options, output }) => {
      const { secrets, lattice } = await bucketOf(options);
      const rows = (await secrets.list()).map(({ key, value, revision }) => ({
        name: key,
        revision,
        sealed_for: [...(readSealedSecret(value)?.to.keys() ?? [])],
      }));
      await output.list({
        document: { secrets: rows },
        rows,
        columns: [
          { head: "NAME", cell: ({ name }) => name },
          { head: "REVISION", cell: ({ revision }) => String(revision) },
          { head: "SEALED FOR", cell: ({ sealed_for: keys }) => keys.join(",") || "(nobody)" },
        ],
        name: ({ name }) => name,
        none: `Lattice ${lattice} holds no secret. Put one: lattice secret put NAME @FILE.`,
      });
    },
  });
}

function del(): Command {
  return leaf({
    name: "del",
    summary: "take a secret back; providers that have it go on with it",
    args: [["<name>", "its name"]],
    options: addLatticeOptions,
    work: async ({ options, output, args }) => {
      const name = String(args[0]);
      checkSecretName(name);
      const { secrets, lattice } = await bucketOf(options);
      if (!(await secrets.get(name))) throw fail("SECRET_ABSENT", name, lattice);
      await secrets.delete(name);
      await output.show({ name, lattice }, `Took ${name} back from lattice ${lattice}`, name);
    },
  });
}
