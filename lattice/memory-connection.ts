import type { Blobs } from "./blobs.ts";
import type { Bus } from "./bus.ts";
import type { ConnectionReport, LatticeConnection } from "./connection.ts";
import { MemoryBlobStore } from "./memory-blobs.ts";
import { MemoryBroker } from "./memory-bus.ts";
import type { MemoryBusOptions } from "./memory-bus.ts";
import { MemoryStateStore } from "./memory-state.ts";
import type { State } from "./state.ts";

/** What a NATS server with JetStream is to several hosts, inside one process. */
export class MemoryServer {
  readonly broker = new MemoryBroker();
  readonly states = new MemoryStateStore();
  readonly blobs = new MemoryBlobStore();
}

/** A connection to a server inside the process; each call is a connection of its own. */
export function memoryConnection(server = new MemoryServer(), options: MemoryBusOptions = {}): LatticeConnection {
  return new MemoryConnection(server, options);
}

class MemoryConnection implements LatticeConnection {
  readonly bus: Bus;
  readonly #server: MemoryServer;
  readonly #options: MemoryBusOptions;
  readonly #states = new Map<string, State>();
  readonly #blobs = new Map<string, Blobs>();

  constructor(server: MemoryServer, options: MemoryBusOptions) {
    this.#server = server;
    this.#options = options;
    this.bus = server.broker.connect(options);
  }

  state(bucket: string): State {
    const { onHandlerError } = this.#options;
    return (
      this.#states.get(bucket) ??
      kept(this.#states, bucket, this.#server.states.open(bucket, onHandlerError ? { onHandlerError } : {}))
    );
  }

  blobs(bucket: string): Blobs {
    return this.#blobs.get(bucket) ?? kept(this.#blobs, bucket, this.#server.blobs.open(bucket));
  }

  describe(): ConnectionReport {
    return { server: "in process", version: undefined, jetStream: true, reconnects: 0, problem: undefined };
  }

  async drain(): Promise<void> {
    await this.bus.drain();
    await this.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#states.values(), ...this.#blobs.values()].map(async (each) => await each.close()));
    await this.bus.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function kept<T>(all: Map<string, T>, name: string, one: T): T {
  all.set(name, one);
  return one;
}
