import { JsonFields, readRegistryLogin } from "../../lattice/index.ts";
import { accepted, type Ack } from "./acks.ts";
import type { Desk } from "./desk.ts";

/**
 * Credentials of registries for this host's life, added to those it has. Never logged, never told.
 * Source: lattice protocol reference, section 6.
 */
export function putRegistries({ host }: Desk, payload: Uint8Array): Ack {
  for (const [server, entry] of JsonFields.parse(payload, "registries.put").all()) {
    const { username = "token", password, token } = readRegistryLogin(entry);
    const secret = password ?? token;
    if (secret !== undefined) host.addRegistry(server, { username, password: secret });
  }
  return accepted;
}
