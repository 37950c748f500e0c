import type { NatsOptions, SessionSecrets } from "../../lattice/index.ts";

/**
 * What an engine needs to call other hosts and be called by them. It is posted to engine threads and
 * holds secrets: no log, event or error shows any of it.
 */
export interface RemoteOptions {
  /** Who this host is, in which lattice, and which forms of call it speaks. */
  readonly identity: SessionSecrets;
  /** How engines reach the servers, each by a connection of its own; undefined: those in threads ask the caller's. */
  readonly nats: NatsOptions | undefined;
  /** C keys whose invocations and hosts are accepted; this host's own is always among them. */
  readonly clusterIssuers: readonly string[];
  /** Longest wait for an answer of another host, in milliseconds. */
  readonly rpcTimeoutMs: number;
  /** Payloads over the threshold go through the object store; false refuses them. */
  readonly largePayloads: boolean;
}
