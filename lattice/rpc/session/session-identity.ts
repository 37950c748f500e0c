import { inspect } from "node:util";
import { KeyPair } from "../../nkeys.ts";
import { encodeHello } from "./hello.ts";
import type { AcceptedHello } from "./hello.ts";
import type { RpcPolicy } from "./rpc-policy.ts";

export interface SessionIdentityOptions {
  readonly lattice: string;
  /** The host's own pair (N). */
  readonly host: KeyPair;
  /** The cluster pair (C) that vouches for this host. */
  readonly cluster: KeyPair;
  readonly rpc: RpcPolicy;
  /** Default 24 hours. A hello is written anew when half of it is over. */
  readonly helloSeconds?: number;
}

/** What an engine thread needs to speak for its host. Secret: never in logs, events or messages. */
export interface SessionSecrets {
  readonly lattice: string;
  readonly rpc: RpcPolicy;
  readonly hostSeed: string;
  readonly clusterSeed: string;
  readonly sessionSeed: string;
}

/**
 * Who this host is towards others of ours: its signed hello, and the pair that agrees session keys.
 * That pair is made when the process starts and never stored.
 */
export class SessionIdentity {
  readonly lattice: string;
  readonly rpc: RpcPolicy;
  readonly #host: KeyPair;
  readonly #cluster: KeyPair;
  readonly #session: KeyPair;
  readonly #helloSeconds: number;
  #hello = { text: "", renewAt: 0 };

  private constructor(options: SessionIdentityOptions, session: KeyPair) {
    this.lattice = options.lattice;
    this.rpc = options.rpc;
    this.#host = options.host;
    this.#cluster = options.cluster;
    this.#session = session;
    this.#helloSeconds = options.helloSeconds ?? 86_400;
  }

  /** With a session pair of its own: once per host process. */
  static create(options: SessionIdentityOptions): SessionIdentity {
    return new SessionIdentity(options, KeyPair.generate("curve"));
  }

  /** The same identity in another thread. @throws LatticeError KEY_MALFORMED, KEY_WRONG_KIND. */
  static fromSecrets({ lattice, rpc, hostSeed, clusterSeed, sessionSeed }: SessionSecrets): SessionIdentity {
    const host = KeyPair.fromSeed(hostSeed, "server");
    const cluster = KeyPair.fromSeed(clusterSeed, "cluster");
    return new SessionIdentity({ lattice, rpc, host, cluster }, KeyPair.fromSeed(sessionSeed, "curve"));
  }

  /** For `fromSecrets` in a thread of this process. Secret. */
  secrets(): SessionSecrets {
    const { lattice, rpc } = this;
    return {
      lattice,
      rpc,
      hostSeed: this.#host.seed,
      clusterSeed: this.#cluster.seed,
      sessionSeed: this.#session.seed,
    };
  }

  /** N key. */
  get host(): string {
    return this.#host.publicKey;
  }

  /** X key. */
  get sessionKey(): string {
    return this.#session.publicKey;
  }

  /** The signed hello of now, the same text for hours. */
  hello(nowSeconds: number = Date.now() / 1_000): string {
    if (nowSeconds >= this.#hello.renewAt) {
      const issuedAt = Math.floor(nowSeconds);
      const { lattice, rpc, sessionKey } = this;
      const body = { lattice, rpc, sessionKey, issuedAt, expiresAt: issuedAt + this.#helloSeconds };
      this.#hello = {
        text: encodeHello(body, this.#host, this.#cluster),
        renewAt: issuedAt + this.#helloSeconds / 2,
      };
    }
    return this.#hello.text;
  }

  /** 32 bytes that only this host and that peer can compute. About 60 us: keep what is derived from it. */
  agree(peer: AcceptedHello): Uint8Array {
    return this.#session.agree(peer.sessionKey);
  }

  toJSON(): object {
    return { host: this.host, lattice: this.lattice, rpc: this.rpc };
  }

  [inspect.custom](): string {
    return `SessionIdentity ${this.host} in ${this.lattice}`;
  }
}
