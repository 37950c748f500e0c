import { randomUUID } from "node:crypto";
import type { TraceContext } from "../invocations.ts";
import type { KeyPair } from "../nkeys.ts";
import { encodeToken } from "../tokens.ts";
import type { WireEntity } from "./entities.ts";
import { invocationSums } from "./invocation-hash.ts";
import type { WireInvocation } from "./wire-invocation.ts";

export interface InvocationCall {
  readonly origin: WireEntity;
  readonly target: WireEntity;
  /** As it is sent; see `wireOperation`. */
  readonly operation: string;
  readonly payload: Uint8Array;
  readonly trace?: TraceContext | undefined;
}

export interface SignerOptions {
  /** How long an invocation may be used. A few times the RPC timeout; default 60, which forgives clocks that differ. */
  readonly lifetimeSeconds?: number;
}

/**
 * Signs invocations with a cluster key for 0.x peers. About 35 us each, and 90 us for who verifies it,
 * nearly all of it Ed25519: a sealed call between our own hosts costs 6 us in all, its answer included.
 * Source: lattice protocol reference, section 3.3; captures of 0.82, sections 8 and 15.
 */
export class InvocationSigner {
  readonly #cluster: KeyPair;
  readonly #hostId: string;
  readonly #lifetimeSeconds: number;

  /** `cluster`: the pair of the cluster key (C). `hostId`: N key of this host. */
  constructor(cluster: KeyPair, hostId: string, { lifetimeSeconds = 60 }: SignerOptions = {}) {
    this.#cluster = cluster;
    this.#hostId = hostId;
    this.#lifetimeSeconds = lifetimeSeconds;
  }

  get issuer(): string {
    return this.#cluster.publicKey;
  }

  /**
   * A signed invocation with the whole payload inside; `LargePayloads.offload` moves a large one out
   * afterwards, since the hash is over the real payload.
   */
  sign({ origin, target, operation, payload, trace }: InvocationCall): WireInvocation {
    const id = randomUUID();
    const sums = invocationSums({ origin, target, operation }, payload);
    const issuedAt = Math.floor(Date.now() / 1_000);
    const token = encodeToken(
      {
        subject: id,
        issuedAt,
        expiresAt: issuedAt + this.#lifetimeSeconds,
        metadata: { target_url: sums.targetUrl, origin_url: sums.originUrl, hash: sums.hash },
      },
      this.#cluster,
    );
    return {
      origin,
      target,
      operation,
      payload,
      id,
      token,
      hostId: this.#hostId,
      contentLength: payload.length,
      trace,
    };
  }
}
