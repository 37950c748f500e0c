import { fail } from "../../lattice/index.ts";
import { accepted, type Ack } from "./acks.ts";
import type { Desk } from "./desk.ts";
import { ControlRequest } from "./request.ts";

/**
 * Credentials of registries for this host's life, added to those it has. Never logged, never told.
 * Source: lattice protocol reference, section 6.
 */
export function putRegistries({ host }: Desk, payload: Uint8Array): Ack {
  const given = new ControlRequest("registries.put", payload).entries();
  for (const [server, entry] of given) {
    if (typeof entry !== "object" || entry === null)
      throw fail("REQUEST_INVALID", "registries.put", `${server} is no object`);
    const { username, password, token } = entry as Record<string, unknown>;
    const secret = typeof password === "string" ? password : token;
    if (typeof secret !== "string") continue;
    host.addRegistry(server, { username: typeof username === "string" ? username : "token", password: secret });
  }
  return accepted;
}
