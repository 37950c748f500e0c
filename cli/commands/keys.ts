import { Option, type Command } from "commander";
import { KeyPair } from "../../lattice/index.ts";
import { group, leaf, textOption, type Options } from "../command.ts";
import { KeyFolder, keyKindWords, parseKeyKind } from "../key-folder.ts";

export function command(): Command {
  return group("keys", "make and find signing keys", [gen(), get(), list()]);
}

const directory = () =>
  new Option(
    "-d, --directory <folder>",
    "where seeds are; default $LATTICE_KEYS, $WASH_KEYS, ~/.wash/keys when it is there, else the configuration folder",
  );

function folderOf(options: Options): KeyFolder {
  return new KeyFolder(textOption(options, "directory"));
}

function gen(): Command {
  return leaf({
    name: "gen",
    summary: "make a key pair",
    args: [["<kind>", keyKindWords.join(", ")]],
    options: (made) => {
      made.addOption(new Option("--save <name>", "keep the seed in the folder of keys instead of printing it"));
      made.addOption(directory());
    },
    work: async ({ output, options, args: [word] }) => {
      const pair = KeyPair.generate(parseKeyKind(String(word)));
      const name = textOption(options, "save");
      if (name !== undefined) {
        const folder = folderOf(options);
        folder.put(name, pair);
        return output.show(
          { public_key: pair.publicKey, name, directory: folder.path },
          `Public Key: ${pair.publicKey}\nSeed kept as ${name} in ${folder.path}`,
          pair.publicKey,
        );
      }
      await output.show(
        { public_key: pair.publicKey, seed: pair.seed },
        `Public Key: ${pair.publicKey}\nSeed: ${pair.seed}`,
        pair.publicKey,
      );
      output.note("\nRemember that the seed is private, treat it as a secret.");
    },
  });
}

function get(): Command {
  return leaf({
    name: "get",
    summary: "print a key of the folder of keys",
    args: [["<name>", "name of the key, with or without .nk"]],
    options: (made) => {
      made.addOption(new Option("--public", "print the public key, not the seed"));
      made.addOption(directory());
    },
    work: async ({ output, options, args: [name] }) => {
      const pair = folderOf(options).get(String(name));
      if (options.public === true) return output.show({ public_key: pair.publicKey }, pair.publicKey, pair.publicKey);
      await output.show({ seed: pair.seed, public_key: pair.publicKey }, pair.seed, pair.publicKey);
    },
  });
}

function list(): Command {
  return leaf({
    name: "list",
    summary: "list the keys of the folder of keys",
    options: (made) => made.addOption(directory()),
    work: async ({ output, options }) => {
      const folder = folderOf(options);
      const names = folder.names();
      await output.list({
        document: { keys: names, directory: folder.path },
        rows: names,
        columns: [
          { head: "NAME", cell: (name) => name },
          { head: "PUBLIC KEY", cell: (name) => publicKeyOf(folder, name) },
        ],
        name: (name) => name,
        none: `No keys in ${folder.path}. Make one: lattice keys gen account --save NAME.`,
      });
    },
  });
}

function publicKeyOf(folder: KeyFolder, name: string): string {
  try {
    return folder.get(name).publicKey;
  } catch {
    return "(not a seed)";
  }
}
