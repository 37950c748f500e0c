import { join } from "node:path";
import { KeyPair, describe } from "../lattice/index.ts";
import { privateFolder, readPrivate, setAside, writeOnce } from "./private-files.ts";
import type { Warn } from "./state-store.ts";

/**
 * The seed under which a host run as a service keeps its identity, made on first use: `host.nk` in
 * the state directory, mode 0600. Hosts that start at the same moment agree on one. A file that is
 * no seed is set aside with a warning that does not repeat it.
 * @throws LatticeError FILE_UNREADABLE when the folder or file cannot be used.
 */
export async function storedHostSeed(folder: string, warn: Warn): Promise<string> {
  await privateFolder(folder);
  const path = join(folder, "host.nk");
  for (;;) {
    const stored = await readPrivate(path, 1_024);
    if (stored) {
      const seed = stored.toString("utf8").trim();
      try {
        return KeyPair.fromSeed(seed, "server").seed;
      } catch (error) {
        warn(`${path} holds no seed of a host (${describe(error)}); it lies in ${await setAside(path)} now`);
      }
    }
    const { seed } = KeyPair.generate("server");
    if (await writeOnce(path, `${seed}\n`)) return seed;
  }
}
