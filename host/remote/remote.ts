import {
  connectNats,
  describe,
  Hellos,
  InvocationSigner,
  InvocationVerifier,
  isLatticeError,
  KeyPair,
  LargePayloads,
  type LatticeConnection,
  type NatsHooks,
  payloadStore,
  SessionIdentity,
  Subjects,
  type VerifiedInvocation,
} from "../../lattice/index.ts";
import { callerPlace, type Place } from "../engine-messages.ts";
import type { Tables } from "../tables.ts";
import { RemoteCounts, type RemoteFigures } from "./figures.ts";
import type { RemoteOptions } from "./options.ts";
import type { PeerHost } from "./peers.ts";
import { RemoteCalls } from "./remote-calls.ts";
import { RemoteServer } from "./remote-server.ts";
import { SessionCalls, type SubmitCall } from "./session-calls.ts";
import { SignedCalls } from "./signed-calls.ts";

/** How much longer than a call an invocation of 0.x may be used, for clocks that differ. */
const lifetimesOfCall = 5;
const leastLifetimeSeconds = 30;

export interface RemoteParts {
  readonly place: Place;
  readonly tables: Tables;
  readonly payloadBytes: number;
  readonly invoke: (invocation: VerifiedInvocation) => Promise<Uint8Array>;
  /** The same without a promise. */
  readonly submit: SubmitCall;
  /** What an operator should know of the connection. */
  readonly report: (text: string) => void;
}

/** One engine's share of the lattice: its connection, the calls that it sends and those that it answers. */
export class Remote {
  readonly calls: RemoteCalls;
  readonly server: RemoteServer;
  readonly #connection: LatticeConnection;
  readonly #own: boolean;
  readonly #counts: RemoteCounts;
  readonly #hellos: Hellos;

  private constructor(
    connection: LatticeConnection,
    own: boolean,
    counts: RemoteCounts,
    hellos: Hellos,
    calls: RemoteCalls,
    server: RemoteServer,
  ) {
    this.#connection = connection;
    this.#own = own;
    this.#counts = counts;
    this.#hellos = hellos;
    this.calls = calls;
    this.server = server;
  }

  /** Over `shared`, or a connection of its own. @throws LatticeError as `connectNats`. */
  static async open(options: RemoteOptions, parts: RemoteParts, shared?: LatticeConnection): Promise<Remote> {
    const { identity, nats, clusterIssuers, rpcTimeoutMs, largePayloads } = options;
    const { lattice, rpc } = identity;
    const { place, tables, payloadBytes, invoke, submit } = parts;
    const connection = shared ?? (await connectNats(nats!, hooksOf(parts)));
    const { bus } = connection;
    const host = KeyPair.fromSeed(identity.hostSeed, "server").publicKey;
    const cluster = KeyPair.fromSeed(identity.clusterSeed, "cluster");
    const subjects = new Subjects(lattice);
    const counts = new RemoteCounts();
    const large = new LargePayloads(largePayloads ? connection.blobs(payloadStore(lattice)) : undefined, {
      maxBytes: payloadBytes,
    });
    const lifetimeSeconds = Math.max(Math.ceil((rpcTimeoutMs * lifetimesOfCall) / 1_000), leastLifetimeSeconds);
    const signed = new SignedCalls(bus, new InvocationSigner(cluster, host, { lifetimeSeconds }), large);
    const issuers = [...new Set([cluster.publicKey, ...clusterIssuers])];
    const verifier = new InvocationVerifier({ issuers });
    const common = { rpc, bus, subjects, tables, counts, timeoutMs: rpcTimeoutMs };
    const hellos = new Hellos({ lattice, issuers, rpc });
    const sessions = new SessionCalls({
      ...common,
      identity: SessionIdentity.fromSecrets(identity),
      hellos,
      place: placeName(place),
      large,
      submit,
    });
    const calls = new RemoteCalls({ ...common, lattice, signed, sessions, hellos });
    const server = new RemoteServer({
      ...common,
      host,
      place: placeName(place),
      verifier,
      large,
      sessions,
      // Without connections of their own the other engines are reached through this one.
      serves: (places) => places.includes(place) || (place === callerPlace && nats === undefined),
      invoke,
    });
    return new Remote(connection, shared === undefined, counts, hellos, calls, server);
  }

  get figures(): RemoteFigures {
    return this.#counts;
  }

  /**
   * Takes another host's hello, so that its calls are understood here from the first one, also by an
   * engine that took the place of a lost one. False when it is refused.
   */
  meet({ host, hello }: PeerHost): boolean {
    try {
      return this.#hellos.accept(hello).host === host;
    } catch (error) {
      this.#counts.refuse(isLatticeError(error) ? error.code : "HELLO_REFUSED");
      return false;
    }
  }

  /** A host is gone: what waits for it fails. */
  peerGone(peer: PeerHost, orderly: boolean): void {
    this.calls.hostGone(peer, orderly);
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    await this.server.stop();
    this.calls.stop();
    if (this.#own) await this.#connection.close();
  }
}

function hooksOf({ place, report }: RemoteParts): NatsHooks {
  const who = place === callerPlace ? "the host" : `engine ${place}`;
  return {
    onProblem: (problem) => report(`${who}: ${problem.message}`),
    onHandlerError: (error, where) => report(`${who}, a message on ${where}: ${describe(error)}`),
  };
}

/** A place as subjects name it. */
export function placeName(place: Place): string {
  return place === callerPlace ? "c" : String(place);
}
