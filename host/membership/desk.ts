import type { LatticeConnection, State } from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import type { ClaimsBook } from "./claims-book.ts";
import type { Refusals } from "./refusals.ts";
import type { Unable } from "./unable.ts";

/** What the rows of the control table work with. */
export interface Desk {
  readonly host: Host;
  /** Public cluster key. */
  readonly cluster: string;
  readonly connection: LatticeConnection;
  readonly claims: ClaimsBook;
  /** Named configuration of actors and providers. */
  readonly configuration: State;
  /** `host:port` of the servers by use, for the host record. */
  readonly servers: { readonly control: string; readonly rpc: string };
  /** Goes on with what a client does not wait for; a failure is logged, and told by what failed. */
  background(what: string, work: () => Promise<unknown>): void;
  readonly refusals: Refusals;
  readonly unable: Unable;
  /** Ends the host after the answer is on its way; calls in flight get `drainMs`, or what the host usually gives them. */
  stop(drainMs?: number): void;
}
