import type { Blobs } from "../blobs.ts";
import type { ConnectionReport, LatticeConnection } from "../connection.ts";
import { describe } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import type { State } from "../state.ts";
import type { NatsHooks } from "./connect.ts";
import { JetStream } from "./jetstream.ts";
import { NatsBlobs } from "./nats-blobs.ts";
import { NatsBus } from "./nats-bus.ts";
import { NatsState } from "./nats-state.ts";
import { compileNatsOptions } from "./options.ts";
import type { NatsConfig, NatsOptions } from "./options.ts";

export function openNatsConnection(options: NatsOptions, hooks: NatsHooks): LatticeConnection {
  return new NatsConnection(compileNatsOptions(options), hooks);
}

class NatsConnection implements LatticeConnection {
  readonly bus: NatsBus;
  readonly #jetStream: JetStream;
  readonly #states = new Map<string, NatsState>();
  readonly #blobs = new Map<string, NatsBlobs>();
  readonly #onHandlerError: (error: unknown, where: string) => void;

  constructor(config: NatsConfig, { onProblem = warnOfProblem, onHandlerError = warnOfHandler }: NatsHooks) {
    this.#onHandlerError = onHandlerError;
    this.bus = new NatsBus(config, {
      onProblem,
      onHandlerError,
      onConnected: () => this.#connected(),
      onClusterChanged: () => this.#readAgain(),
    });
    this.#jetStream = new JetStream(this.bus, config);
  }

  state(bucket: string): State {
    const held = this.#states.get(bucket);
    if (held) return held;
    const state = new NatsState(this.#jetStream, bucket, this.#onHandlerError);
    this.#states.set(bucket, state);
    return state;
  }

  blobs(bucket: string): Blobs {
    const held = this.#blobs.get(bucket);
    if (held) return held;
    const blobs = new NatsBlobs(this.#jetStream, bucket);
    this.#blobs.set(bucket, blobs);
    return blobs;
  }

  describe(): ConnectionReport {
    return { ...this.bus.session.report(), jetStream: this.#jetStream.available };
  }

  async drain(): Promise<void> {
    await this.bus.drain();
    await this.close();
  }

  async close(): Promise<void> {
    for (const state of this.#states.values()) await state.close();
    for (const blobs of this.#blobs.values()) await blobs.close();
    await this.bus.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #connected(): void {
    void this.#jetStream.probe();
    this.#readAgain();
  }

  #readAgain(): void {
    for (const state of this.#states.values()) state.reconnected();
  }
}

function warnOfProblem(problem: LatticeError): void {
  process.emitWarning(problem.message, "NatsWarning");
}

function warnOfHandler(error: unknown, where: string): void {
  process.emitWarning(`a handler of ${where} failed: ${describe(error)}`, "BusHandlerWarning");
}
