import { ActorModule, KeyPair, signModule } from "../../index.ts";
import { guestBytes } from "./guest-corpus.ts";

const account = KeyPair.generate("account");

/** What a test wants of an actor's token; everything has a default. */
export interface EdgeOptions {
  readonly name?: string;
  readonly capabilities?: readonly string[];
  readonly callAlias?: string;
  readonly revision?: number;
  /** Default: one account for all. */
  readonly issuer?: KeyPair;
  /** Default: a new key. */
  readonly module?: KeyPair | string;
}

/** The guest `edge` of the corpus under a token of the test's own: it does what it is asked to, see `c/edge.c`. */
export function edgeActor(options: EdgeOptions = {}): ActorModule {
  const { name = "edge", capabilities = ["wasmcloud:keyvalue"], issuer = account, ...rest } = options;
  const module = options.module ?? KeyPair.generate("module");
  return ActorModule.fromBytes(signModule(guestBytes("edge"), { ...rest, name, capabilities, issuer, module }), {
    name,
  });
}

/** The payload of `Call`: the guest asks this of the host and answers the reply, or `error: ` and why there is none. */
export function askHost(contract: string, operation = "Get", payload = "", link = "default"): Uint8Array {
  return Buffer.from([link, contract, operation, payload].join("\n"));
}
