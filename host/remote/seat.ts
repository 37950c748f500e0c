import type { LatticeConnection, VerifiedInvocation } from "../../lattice/index.ts";
import { within } from "../deadlines.ts";
import type { Dispatch } from "../dispatch.ts";
import { callerPlace, type Place, type ProviderSpec } from "../engine-messages.ts";
import type { Tables } from "../tables.ts";
import type { RemoteFigures } from "./figures.ts";
import type { RemoteOptions } from "./options.ts";
import type { PeerHost } from "./peers.ts";
import { Relay } from "./relay.ts";
import { Remote } from "./remote.ts";
import type { SubmitCall } from "./session-calls.ts";

export interface SeatParts {
  readonly place: Place;
  readonly tables: Tables;
  readonly dispatch: Dispatch;
  readonly payloadBytes: number;
  readonly invoke: (invocation: VerifiedInvocation) => Promise<Uint8Array>;
  readonly submit: SubmitCall;
  /** What an operator should know. */
  readonly report: (text: string) => void;
}

/** One engine's seat in a lattice: empty while its host is alone. */
export class Seat {
  readonly #parts: SeatParts;
  #shared: LatticeConnection | undefined;
  #remote: Remote | undefined;
  #stopped = false;

  constructor(parts: SeatParts) {
    this.#parts = parts;
  }

  /** True when calls of other hosts come to this engine. */
  get taken(): boolean {
    return this.#remote !== undefined;
  }

  get figures(): RemoteFigures | undefined {
    return this.#remote?.figures;
  }

  /** The connection that is used in place of one of its own; before `join`, by whoever owns it. */
  share(connection: LatticeConnection): void {
    this.#shared = connection;
  }

  /** An engine that neither has a connection nor may make one asks the caller's. May be called twice. */
  async join(options: RemoteOptions): Promise<void> {
    if (this.#remote) return;
    const { tables, dispatch } = this.#parts;
    if (!this.#shared && !options.nats) {
      dispatch.elsewhere = new Relay(tables, () => dispatch.peers.get(callerPlace));
      return;
    }
    const remote = await Remote.open(options, this.#parts, this.#shared);
    if (this.#stopped) return remote.stop();
    this.#remote = remote;
    tables.onActorChanged = (key) => remote.server.actorChanged(key);
    for (const peer of tables.peers.all()) if (!remote.meet(peer)) tables.dropPeer(peer.host);
    remote.server.open();
    dispatch.elsewhere = remote.calls;
  }

  /** Another host tells of itself. One that no cluster key vouches for is nobody to call, whatever it says. */
  putPeer(peer: PeerHost): void {
    if (this.#remote?.meet(peer) === false) return this.dropPeer(peer.host);
    const { tables } = this.#parts;
    const gone = tables.peers.get(peer.host)?.places.filter((place) => !peer.places.includes(place));
    tables.putPeer(peer);
    this.#remote?.calls.hostIsHere(peer);
    if (gone && gone.length > 0) this.#remote?.calls.placesGone(peer, gone);
  }

  /** Another host is gone: what waits for it fails, a moment later when it left in order. */
  dropPeer(host: string, orderly = false): void {
    const { tables } = this.#parts;
    const peer = tables.peers.get(host);
    tables.dropPeer(host);
    if (peer) this.#remote?.peerGone(peer, orderly);
  }

  providerStarted(spec: ProviderSpec): void {
    this.#remote?.server.providerChanged(spec);
  }

  /** The same for one that took over from another. */
  providerServes(id: string): void {
    const spec = this.#parts.tables.providers.get(id)?.spec;
    if (spec) this.providerStarted(spec);
  }

  /** Calls of other hosts stop coming before those here are refused. */
  async leaveActor(id: string, ms: number): Promise<void> {
    const row = this.#parts.tables.placements.get(id);
    if (row && this.#remote) await atMost(ms, this.#remote.server.leaveActor(row));
  }

  async leaveProvider(id: string, ms: number): Promise<void> {
    const row = this.#parts.tables.providers.get(id);
    if (row && this.#remote) await atMost(ms, this.#remote.server.leaveProvider(row.spec));
  }

  async drain(ms: number): Promise<void> {
    if (this.#remote) await atMost(ms, this.#remote.server.drain());
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#parts.tables.onActorChanged = () => {};
    await this.#remote?.stop();
  }
}

/** Waits for `work`, but not longer than `ms`; whether it fails does not matter. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  await within(work, ms, "a lattice subject").catch(() => {});
}
