import { readFileSync } from "node:fs";
import wabtInit from "wabt";
import { ActorModule, prepare, type PreparedModule, signModule, withoutTokens } from "../actors/index.ts";
import { KeyPair } from "../lattice/index.ts";
import { repositoryFile } from "./processes.ts";

const wabt = await wabtInit();
const issuer = KeyPair.generate("account");

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

export interface SignWishes {
  readonly name: string;
  readonly capabilities?: readonly string[];
  readonly callAlias?: string;
}

/** `bytes` signed under a key of their own; every call makes another actor. */
export function signed(bytes: Uint8Array, wishes: SignWishes): Uint8Array {
  return signModule(bytes, { issuer, module: KeyPair.generate("module"), ...wishes });
}

export function preparedGuest(bytes: Uint8Array, wishes: SignWishes): PreparedModule {
  return prepare(ActorModule.fromBytes(signed(bytes, wishes), { name: wishes.name }));
}

/** The signed bytes of an example, `echo-rust/echo.wasm` for instance. */
export function exampleBytes(path: string): Uint8Array {
  return readFileSync(repositoryFile(`actors/examples/${path}`));
}

/** An example's code as it was before it was signed. */
export function exampleCode(path: string): Uint8Array {
  return withoutTokens(exampleBytes(path), path);
}
