import type { HostOptions } from "../host/index.ts";
import type { RpcPolicy } from "../lattice/index.ts";

/** What the hosts of a bench must have in common. */
export interface LatticeSeat {
  readonly servers: string;
  readonly lattice: string;
  readonly clusterSeed: string;
  readonly rpc: RpcPolicy;
  /** The signed actor to call, as base64: the same one wherever it runs. */
  readonly echo: string;
}

/** Options of a host as `lattice up` starts one, with room for what the bench asks at once. */
export function seatOptions({ servers, lattice, clusterSeed, rpc }: LatticeSeat): HostOptions {
  return { nats: servers, lattice, clusterSeed, rpc, engines: 1, logLevel: "error", limits: { instances: 256 } };
}
