import {
  connectNats,
  describe,
  KeyPair,
  type LatticeConnection,
  type LatticeError,
  SessionIdentity,
} from "../../lattice/index.ts";
import type { HostConfig } from "../options.ts";
import type { RemoteOptions } from "../remote/options.ts";
import type { MemberKeys } from "./member.ts";

/** The connections of one host, by use. Two uses of one server share one. Source: lattice protocol reference, section 1. */
export interface Connections {
  readonly control: LatticeConnection;
  readonly rpc: LatticeConnection;
  /** What engines need to take part. Secret. */
  readonly remote: RemoteOptions;
  /** This host's signed beginning of sessions. */
  hello(): string;
  close(): Promise<void>;
}

/** The keys that a host was given, or new ones. */
export function memberKeys({ hostSeed, membership }: HostConfig): MemberKeys {
  const { clusterSeed } = membership;
  return {
    host: hostSeed === undefined ? KeyPair.generate("server") : KeyPair.fromSeed(hostSeed),
    cluster: clusterSeed === undefined ? KeyPair.generate("cluster") : KeyPair.fromSeed(clusterSeed, "cluster"),
  };
}

/**
 * Undefined for a host that stands alone. Resolves although no server is there; `warn` is told what goes on.
 * @throws LatticeError OPTION_OUT_OF_RANGE, NATS_ADDRESS, NATS_CREDENTIALS for options that can never work.
 */
export async function openConnections(
  { membership, lattice, limits }: HostConfig,
  keys: MemberKeys,
  warn: (text: string) => void,
): Promise<Connections | undefined> {
  const { nats, connection, rpc, clusterIssuers } = membership;
  const hooks = {
    onProblem: ({ message }: LatticeError) => warn(message),
    onHandlerError: (error: unknown, where: string) => warn(`a message on ${where} failed: ${describe(error)}`),
  };
  const calls = connection ?? (nats && (await connectNats(nats.rpc, hooks)));
  if (!calls) return undefined;
  const control = nats?.control ? await connectNats(nats.control, hooks) : calls;
  const identity = SessionIdentity.create({ lattice, host: keys.host, cluster: keys.cluster, rpc });
  const cluster = keys.cluster.publicKey;
  return {
    control,
    rpc: calls,
    remote: {
      identity: identity.secrets(),
      nats: nats?.rpc,
      clusterIssuers: [cluster, ...clusterIssuers.filter((each) => each !== cluster)],
      rpcTimeoutMs: limits.rpcTimeoutMs,
      largePayloads: true,
    },
    hello: () => identity.hello(),
    // The caller's own connection stays open.
    close: async () => {
      if (connection) return;
      await Promise.all([...new Set([control, calls])].map((each) => each.close()));
    },
  };
}
