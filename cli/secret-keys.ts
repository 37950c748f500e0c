import { Option, type Command } from "commander";
import type { KeyPair } from "../lattice/index.ts";
import { collect, listOption, type Options } from "./command.ts";
import { KeyFolder, keyFromReference } from "./key-folder.ts";

/** Name of the X key in the folder of keys that opens the secrets of this user's lattices. */
export const secretKeyName = "lattice-secrets";

export function addSecretKeyOption(made: Command): void {
  made.addOption(
    new Option(
      "--secret-key <file>",
      `seed of an X key that opens secrets of the lattice, may be repeated; default ${secretKeyName} of the folder of keys`,
    ).argParser(collect),
  );
}

/** Those that were given, else that of the folder of keys, when it holds one. @throws LatticeError USAGE, KEY_WRONG_KIND. */
export async function secretKeys(options: Options): Promise<readonly KeyPair[]> {
  const given = listOption(options, "secretKey");
  if (given.length > 0) return Promise.all(given.map(async (file) => keyFromReference(file, "curve", "--secret-key")));
  const folder = new KeyFolder();
  return folder.names().includes(secretKeyName) ? [folder.get(secretKeyName, "curve")] : [];
}
