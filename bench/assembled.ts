import { readFileSync } from "node:fs";
import wabtInit from "wabt";
import { repositoryFile } from "./processes.ts";

const wabt = await wabtInit();

/** The bytes of `bench/guests/NAME.wat`. */
export function assembled(name: string): Uint8Array {
  const file = `bench/guests/${name}.wat`;
  const module = wabt.parseWat(file, readFileSync(repositoryFile(file), "utf8"));
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}
