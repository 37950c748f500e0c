import { JsonFields } from "../json-fields.ts";
import type { Texts } from "../json-fields.ts";

/**
 * What a host asks the configuration service at its start (subject `configService`), and what it is
 * told. No answer within 2 s means that there is nothing to add.
 * Source: lattice protocol reference, sections 6 and 13.
 */
export function encodeConfigQuestion(labels: Texts): Uint8Array {
  return Buffer.from(JSON.stringify({ labels }));
}

/** How to sign in to a registry. Secret. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
}

export interface ConfigAnswer {
  /** By server. */
  readonly registries: ReadonlyMap<string, RegistryLogin>;
  readonly actors: readonly string[];
  readonly providers: readonly { readonly reference: string; readonly linkName: string }[];
}

/** @throws LatticeError REQUEST_INVALID naming the member, never what it says. */
export function readConfigAnswer(payload: Uint8Array): ConfigAnswer {
  const fields = JsonFields.parse(payload, "the configuration service's answer");
  const registries = fields
    .members("registryCredentials")
    .map(([server, entry]) => [server, readRegistryLogin(entry)] as const);
  return {
    registries: new Map(registries),
    actors: fields.listOfText("autoStartActors"),
    providers: fields.objects("autoStartProviders").map((entry) => ({
      reference: entry.text("imageReference"),
      linkName: entry.optionalText("linkName") ?? "default",
    })),
  };
}

/** One entry of `registryCredentials`, or of `registries.put` of the control interface. */
export function readRegistryLogin(fields: JsonFields): RegistryLogin {
  const [username, password, token] = ["username", "password", "token"].map((name) => fields.optionalText(name));
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined ? {} : { token }),
  };
}
