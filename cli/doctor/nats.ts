import { setTimeout as delay } from "node:timers/promises";
import { connectNats, type LatticeError } from "../../lattice/index.ts";

/** What was found at a NATS address. */
export interface NatsFinding {
  /** Why no server answers or why it refuses; nothing else is known then. */
  readonly problem?: LatticeError;
  readonly server: string;
  readonly version?: string;
  readonly jetStream?: boolean;
  readonly maxPayloadBytes?: number;
}

const patienceMs = 3_000;

/** Connects as a host would and looks. @throws LatticeError NATS_ADDRESS and the like for what can never work. */
export async function lookAtNats(servers: string): Promise<NatsFinding> {
  const { promise, resolve } = Promise.withResolvers<LatticeError | undefined>();
  const options = { servers, name: "lattice doctor", connectTimeoutMs: patienceMs, stateTimeoutMs: patienceMs };
  const connection = await connectNats(options, { onProblem: resolve });
  await using _closed = connection;
  const flushed = connection.bus.flush().then(() => undefined);
  flushed.catch(() => {});
  const problem = await Promise.race([promise, flushed]);
  const { server } = connection.describe();
  if (problem !== undefined) return { problem, server };
  const end = performance.now() + patienceMs;
  while (connection.describe().jetStream === undefined && performance.now() < end) await delay(10);
  const { version, jetStream } = connection.describe();
  return {
    server,
    maxPayloadBytes: connection.bus.maxPayloadBytes,
    ...(version === undefined ? {} : { version }),
    ...(jetStream === undefined ? {} : { jetStream }),
  };
}
