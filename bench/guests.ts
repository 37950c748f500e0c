import { readFileSync } from "node:fs";
import { ActorModule, prepare, type PreparedModule, signModule, withoutTokens } from "../actors/index.ts";
import { KeyPair } from "../lattice/index.ts";
import { repositoryFile } from "./processes.ts";

const issuer = KeyPair.generate("account");

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
