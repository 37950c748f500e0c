import type { LatticeConnection } from "../connection.ts";
import type { LatticeError } from "../errors.ts";
import type { NatsOptions } from "./options.ts";

/** Who is told what happens on a connection. Functions stay in their thread; the options travel. */
export interface NatsHooks {
  /**
   * What an operator should know and no caller is told: why no server is reached or why it refuses
   * us, what permissions lack, a slow consumer. Each once until it changes. Never a secret.
   * Default a process warning.
   */
  readonly onProblem?: (problem: LatticeError) => void;
  /** What a handler of the bus or of a watch threw. Default a process warning. */
  readonly onHandlerError?: (error: unknown, where: string) => void;
}

/**
 * A connection to a lattice's NATS servers. Resolves at once, also when no server answers: then its
 * status is `connecting`, and it tries again for ever, with jitter.
 * @throws LatticeError OPTION_OUT_OF_RANGE, NATS_ADDRESS, NATS_CREDENTIALS for options that can never work.
 */
export async function connectNats(options: NatsOptions, hooks: NatsHooks = {}): Promise<LatticeConnection> {
  // Loaded here: most commands and hosts that stand alone never need it.
  const { openNatsConnection } = await import("./nats-connection.ts");
  return openNatsConnection(options, hooks);
}
