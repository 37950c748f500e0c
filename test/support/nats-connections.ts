import type { LatticeConnection, LatticeError, NatsOptions } from "../../lattice/index.ts";
import { connectNats } from "../../lattice/index.ts";
import { until } from "./until.ts";

/** A connection of a test, with what its operator was told. */
export interface WatchedConnection extends LatticeConnection {
  readonly problems: LatticeError[];
  connected(): Promise<void>;
}

/** Connects with short waits, so that tests need not be patient. */
export async function watchedConnection(options: NatsOptions): Promise<WatchedConnection> {
  const problems: LatticeError[] = [];
  const quick = { reconnectMaxMs: 100, ...options };
  const connection = await connectNats(quick, { onProblem: (problem) => problems.push(problem) });
  return Object.assign(connection, {
    problems,
    connected: async () => void (await until(() => connection.bus.status === "connected")),
  });
}
