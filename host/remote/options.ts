import type { RpcForm } from "./peers.ts";

/**
 * What an engine needs to call other hosts and be called by them. It is posted to engine threads and
 * holds secrets: no log, event or error shows any of it.
 */
export interface RemoteOptions {
  readonly lattice: string;
  /** N key of this host. */
  readonly hostKey: string;
  /** How engines reach the servers, each by a connection of its own; undefined: those in threads ask the caller's. */
  readonly nats: object | undefined;
  /** Seed of this host (SN...): signs what sessions begin with. */
  readonly hostSeed: string;
  /** Seed of the cluster key (SC...): signs invocations of the wasmCloud 0.x form. */
  readonly clusterSeed: string;
  /** C keys whose invocations are accepted; this host's own is always among them. */
  readonly clusterIssuers: readonly string[];
  readonly rpc: RpcForm;
  /** Longest wait for an answer of another host, in milliseconds. */
  readonly rpcTimeoutMs: number;
  /** Payloads over the threshold of the wasmCloud 0.x form go through the object store. */
  readonly largePayloads: boolean;
}
