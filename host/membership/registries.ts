import { JsonFields, readRegistryLogin, type RegistryLogin } from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import { accepted, type Ack } from "./acks.ts";
import type { Desk } from "./desk.ts";

/**
 * Credentials of registries for this host's life, added to those it has. Never logged, never told.
 * Source: lattice protocol reference, section 6.
 */
export function putRegistries({ host }: Desk, payload: Uint8Array): Ack {
  const entries = JsonFields.parse(payload, "registries.put").all();
  // All are read before one is taken.
  const logins = entries.map(([server, entry]) => [server, readRegistryLogin(entry)] as const);
  addLogins(host, logins);
  return accepted;
}

/** What another told of registries; a token goes as the password, as wash sends it. Without a secret there is nothing to add. */
export function addLogins(host: Host, logins: Iterable<readonly [server: string, RegistryLogin]>): void {
  for (const [server, { username = "token", password, token }] of logins) {
    const secret = password ?? token;
    if (secret !== undefined) host.addRegistry(server, { username, password: secret });
  }
}
