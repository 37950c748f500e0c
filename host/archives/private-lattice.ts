import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  connectNats,
  isLatticeError,
  LargePayloads,
  type LatticeConnection,
  type LatticeError,
  type NatsOptions,
  payloadStore,
  Subjects,
} from "../../lattice/index.ts";

/** Longest wait for the servers while the object store is taken away, in milliseconds. */
const removalMs = 2_000;
/** Longest wait for the answer to a question that this connection asks itself. */
const probeMs = 2_000;

export interface PrivateLatticeOptions {
  readonly nats: NatsOptions;
  /** The host's own lattice. */
  readonly lattice: string;
  /** Most bytes of a payload. */
  readonly payloadBytes: number;
  readonly onProblem: (problem: LatticeError) => void;
  readonly signal: AbortSignal;
}

/**
 * The lattice that a host and one archive's program have to themselves, on servers that others use too. Its name is
 * one that nobody knows before. Where the server lets this user reach the host's own lattice only, it lies within
 * that one: then there is no object store, for no store may have such a name, and large payloads are refused.
 */
export class PrivateLattice {
  readonly connection: LatticeConnection;
  readonly subjects: Subjects;
  readonly large: LargePayloads;
  readonly #hasStore: boolean;

  private constructor(connection: LatticeConnection, subjects: Subjects, hasStore: boolean, maxBytes: number) {
    this.connection = connection;
    this.subjects = subjects;
    this.#hasStore = hasStore;
    const store = hasStore ? connection.blobs(payloadStore(subjects.lattice)) : undefined;
    this.large = new LargePayloads(store, { maxBytes });
  }

  /** Waits for the servers until `signal` ends it. @throws LatticeError as `connectNats`, BUS_CLOSED. */
  static async open({
    nats,
    lattice,
    payloadBytes,
    onProblem,
    signal,
  }: PrivateLatticeOptions): Promise<PrivateLattice> {
    const alone = new Subjects(`archive_${randomBytes(8).toString("hex")}`);
    const probe = alone.write("actorRpc", { actor: nobody });
    const connection = await connectNats(nats, {
      onProblem: (problem) => {
        // The refusal of the question below is its answer.
        if (problem.code !== "NATS_PERMISSION" || !problem.message.includes(probe)) onProblem(problem);
      },
    });
    // Before it is connected nothing else would end its attempts.
    const giveUp = () => void connection.close();
    signal.addEventListener("abort", giveUp);
    try {
      await connection.bus.flush();
      const allowed = await mayReach(connection, probe);
      const subjects = allowed ? alone : new Subjects(alone.lattice, undefined, lattice);
      return new PrivateLattice(connection, subjects, allowed, payloadBytes);
    } catch (error) {
      await connection.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Takes its object store away, which the program may have made, too. Never fails. May be called twice. */
  async close(): Promise<void> {
    const { connection } = this;
    if (this.#hasStore && connection.bus.status === "connected") {
      const removed = connection.blobs(payloadStore(this.subjects.lattice)).destroy();
      await Promise.race([removed.catch(() => {}), pause(removalMs, undefined, { ref: false })]);
    }
    await connection.close();
  }
}

/** Whether the server lets this user speak and listen in a lattice of any name. */
async function mayReach({ bus }: LatticeConnection, subject: string): Promise<boolean> {
  const subscription = bus.subscribe(subject, (message) => void message.respond(new Uint8Array()));
  try {
    await bus.request(subject, new Uint8Array(), { timeoutMs: probeMs });
  } catch (error) {
    // Nobody hears it where listening was refused.
    if (isLatticeError(error) && ["NATS_PERMISSION", "NO_RESPONDERS"].includes(error.code)) return false;
  } finally {
    subscription.unsubscribe();
  }
  return true;
}

/** An actor that cannot be: its checksum is wrong. */
const nobody = `M${"A".repeat(55)}`;
