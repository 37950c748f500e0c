import type { PreparedModule } from "../../actors/index.ts";
import {
  type BusStatus,
  configurationBucket,
  describe,
  type KeyPair,
  type LatticeConnection,
  metadataBucket,
  payloadStore,
  secretsBucket,
  Subjects,
} from "../../lattice/index.ts";
import type { ReadyCheck } from "../host-snapshot.ts";
import type { Host } from "../host.ts";
import type { OtherHosts } from "../moves/other-hosts.ts";
import type { Verbs } from "../verb-table.ts";
import { Beats } from "./beats.ts";
import { ClaimsBook } from "./claims-book.ts";
import { startAsConfigured } from "./config-start.ts";
import type { Connections } from "./connections.ts";
import { ControlService } from "./control-service.ts";
import type { Desk } from "./desk.ts";
import { EventsOut } from "./events-out.ts";
import { tellInvocations } from "./invocation-events.ts";
import { Leftovers } from "./leftovers.ts";
import type { PolicyService } from "./policy-service.ts";
import { PresenceBook } from "./presence.ts";
import type { Presence } from "./presence-message.ts";
import { askVerb } from "./verb-client.ts";
import { Refusals } from "./refusals.ts";
import { Unable } from "./unable.ts";
import { resolveReference } from "./references.ts";
import { VerbService } from "./verb-service.ts";

/** Of one message: the rest is for what surrounds a piece; base64 makes four bytes of three. */
const pieceShare = 0.7;
const mostPieceBytes = 512 * 1024;

/** Who a host is in its lattice. */
export interface MemberKeys {
  readonly host: KeyPair;
  readonly cluster: KeyPair;
}

/** What an operator wants to know of a host's place in its lattice. */
export interface MemberReport {
  readonly lattice: string;
  readonly status: BusStatus;
  readonly server: string;
  /** False: shared state and large payloads are refused. Undefined: not known yet. */
  readonly jet_stream: boolean | undefined;
  readonly ctl: string;
  readonly rpc: string;
  readonly cluster: string;
  readonly peers: readonly string[];
}

/**
 * One host's membership of one lattice: it announces itself, answers control messages, tells events and
 * shares links and claims. While the servers are away the host serves what is local; what it missed is
 * made up for when they come.
 */
export class Member {
  readonly claims: ClaimsBook;
  readonly #host: Host;
  readonly #keys: MemberKeys;
  readonly #connections: Connections;
  readonly #subjects: Subjects;
  readonly #events: EventsOut;
  readonly #beats: Beats;
  readonly #presence: PresenceBook;
  readonly #leftovers: Leftovers;
  readonly #services: readonly { start(): void; stop(): void }[];
  readonly #ends: (() => void)[] = [];
  readonly #refusals = new Refusals();
  /** Other hosts that were told as joined. */
  readonly #known = new Set<string>();
  /** What other hosts told last that every engine has. */
  readonly #inEffect = new Map<string, Presence>();
  /** Whether the links of the lattice have taken effect here. */
  #linksKnown = false;
  #left: Promise<void> | undefined;
  /** The config service was asked. */
  #configured = false;

  constructor(host: Host, keys: MemberKeys, connections: Connections, verbs: Verbs, stop: Desk["stop"]) {
    const { membership, lattice } = host.config;
    const { control } = connections;
    const subjects = new Subjects(lattice, membership.controlPrefix);
    this.#subjects = subjects;
    this.#host = host;
    this.#keys = keys;
    this.#connections = connections;
    this.claims = new ClaimsBook(host, control.state(metadataBucket(lattice)), {
      runsElsewhere: (key) =>
        this.peers.some((peer) => [...peer.actors, ...peer.providers].some((each) => each.key === key)),
      hears: () => control.bus.status === "connected",
    });
    this.#events = new EventsOut(host, control.bus, subjects);
    this.#beats = new Beats(host, this.#events, membership.heartbeatMs);
    this.#presence = new PresenceBook({
      host,
      key: keys.host,
      bus: control.bus,
      subjects,
      everyMs: membership.presenceMs,
      rpc: membership.rpc,
      issuers: connections.remote.clusterIssuers,
      hello: () => connections.hello(),
      ownConnections: connections.remote.nats !== undefined,
      // Without its links a host refuses what it is asked; a server without JetStream never tells them.
      ready: () => this.#linksKnown || control.describe().jetStream === false,
      onRefused: (error) => this.#refusals.count(error),
      onPeer: (peer) => this.#peerIsHere(peer),
      onGone: (peer, why, orderly) => this.#peerIsGone(peer, why, orderly),
    });
    this.#leftovers = new Leftovers(connections.rpc.blobs(payloadStore(lattice)), membership.payloadAgeMs, (text) =>
      host.logger.debug(text),
    );
    const desk = {
      host,
      cluster: keys.cluster.publicKey,
      connection: control,
      claims: this.claims,
      configuration: control.state(configurationBucket(lattice)),
      servers: { control: urlOf(control), rpc: urlOf(connections.rpc) },
      background: (what: string, work: () => Promise<unknown>) => this.#goOn(what, work),
      refusals: this.#refusals,
      unable: new Unable(),
      stop,
    };
    this.#services =
      membership.ctl === "off"
        ? []
        : [
            new ControlService(desk, subjects),
            new VerbService(host, verbs, control.bus, subjects, host.jobs, this.#refusals),
          ];
  }

  /** Takes part from now on, or as soon as the servers are there. */
  async start(policy: PolicyService | undefined): Promise<void> {
    const { control, rpc, remote } = this.#connections;
    const { bus } = control;
    this.#ends.push(bus.onStatus((status) => this.#statusIs(status)));
    for (const service of this.#services) service.start();
    this.#presence.start();
    this.#leftovers.start();
    if (this.#host.config.membership.invocationEvents)
      this.#ends.push(tellInvocations(this.#host, bus, this.#subjects));
    policy?.open(this.#host, bus, (error) => this.refuse(error));
    await this.#host.fleet.join(remote, rpc);
    const configured = this.#host.configurations.open(control.state(configurationBucket(this.#host.config.lattice)));
    // Links take effect with them; a server that is away is not waited for twice.
    if (bus.status === "connected") await configured;
    this.#host.secretBucket.join(control.state(secretsBucket(this.#host.config.lattice)));
    await this.#host.links.join({
      state: control.state(metadataBucket(this.#host.config.lattice)),
      putAt: (peer, request) => this.ask(peer, "link.put", request),
      onKnown: () => {
        this.#linksKnown = true;
        this.changed();
      },
    });
    await configured;
    if (bus.status === "connected") this.#connected();
    else this.#host.logger.warn(`no server of lattice ${this.#host.config.lattice} is reached yet; local work goes on`);
  }

  /** Messages of the lattice, calls aside, that were refused: by error code. */
  get refused(): Readonly<Record<string, number>> {
    return this.#refusals.byCode;
  }

  /** Counts a message that was refused. */
  refuse(error: unknown): void {
    this.#refusals.count(error);
  }

  /** Other hosts of ours that are here now. */
  get peers(): readonly Presence[] {
    return this.#presence.peers();
  }

  /** The other hosts, for swaps with them. */
  get others(): OtherHosts {
    const { bus } = this.#connections.control;
    return {
      ask: (host, verb, params, timeoutMs) => askVerb(bus, this.#subjects, host, verb, params, timeoutMs),
      peers: () => this.peers,
      get pieceBytes() {
        return Math.min(mostPieceBytes, Math.floor(bus.maxPayloadBytes * pieceShare) - 4_096);
      },
    };
  }

  /** What another host told last, as far as every engine of this one acts by it. */
  inEffect(host: string): Presence | undefined {
    return this.#inEffect.get(host);
  }

  get report(): MemberReport {
    const { control } = this.#connections;
    const { server, jetStream } = control.describe();
    const { lattice, membership } = this.#host.config;
    return {
      lattice,
      status: control.bus.status,
      server,
      jet_stream: jetStream,
      ctl: membership.ctl,
      rpc: membership.rpc,
      cluster: this.#keys.cluster.publicKey,
      peers: this.peers.map(({ name }) => name),
    };
  }

  /** What `/readyz` asks of it. Without servers a host is not ready for the lattice, though it serves what is local. */
  get checks(): readonly ReadyCheck[] {
    const { status, server, jet_stream: jetStream, lattice } = this.report;
    const ok = status === "connected";
    const reached: ReadyCheck = {
      name: "lattice",
      ok,
      ...(ok ? {} : { message: `lattice ${lattice} at ${server} is ${status}; local work goes on` }),
    };
    if (jetStream !== false) return [reached];
    return [
      reached,
      { name: "shared_state", ok: false, message: `${server} has no JetStream: links and claims are not shared` },
    ];
  }

  /** Asks a verb of another host. @throws LatticeError as `askVerb`. */
  ask(peer: string, name: string, params: object): Promise<Readonly<Record<string, unknown>>> {
    return askVerb(this.#connections.control.bus, this.#subjects, peer, name, params);
  }

  /** The module behind a reference that came over the lattice. @throws LatticeError as `resolveReference`. */
  resolve(reference: string): Promise<PreparedModule> {
    return resolveReference(reference, this.#host, this.#connections.control);
  }

  /** Something of this host changed that others should know soon. */
  changed(): void {
    this.#presence.changed();
  }

  /** No other host sends anything new; what is under way goes on. */
  async goodbye(): Promise<void> {
    for (const service of this.#services) service.stop();
    await this.#presence.stop();
  }

  /** The last word, then the connections end. May be called twice. */
  leave(): Promise<void> {
    this.#left ??= (async () => {
      await this.goodbye();
      this.#beats.stop();
      this.#leftovers.stop();
      this.#events.stop();
      this.claims.close();
      for (const end of this.#ends) end();
      await this.#connections.close();
    })();
    return this.#left;
  }

  /** Ends its connections without a word, as a process that is killed. For tests. */
  async disappear(): Promise<void> {
    this.#presence.fallSilent();
    this.#leftovers.stop();
    await this.#connections.close();
  }

  #statusIs(status: BusStatus): void {
    const { logger, config } = this.#host;
    if (status === "connected") {
      logger.info(`lattice ${config.lattice} is reached at ${this.#connections.control.describe().server}`);
      this.#connected();
    } else if (status !== "closed" && status !== "draining")
      logger.warn(`lattice ${config.lattice} is ${status}; local work goes on`);
  }

  #connected(): void {
    const { control } = this.#connections;
    if (this.#host.config.membership.configService && !this.#configured) {
      this.#configured = true;
      this.#goOn("the start by the config service", () =>
        startAsConfigured(this.#host, control.bus, this.#subjects, async (reference) =>
          this.#host.startActor(await this.resolve(reference), { reference }),
        ),
      );
    }
    this.#events.flush();
    this.#presence.connected();
    void this.#beats.beat();
    void this.claims.open();
    this.#host.configurations.hurry();
    this.#host.links.hurry();
  }

  #peerIsHere(peer: Presence): void {
    if (!this.#known.has(peer.host)) {
      this.#known.add(peer.host);
      this.#host.events.emit("host_joined", { host_id: peer.host, friendly_name: peer.name });
    }
    this.claims.peersChanged();
    const { everyMs: _everyMs, at: _at, gone: _gone, ...host } = peer;
    const change = this.#host.fleet.apply({ type: "put-peer", peer: host });
    this.#apply(
      change.then(() => void this.#inEffect.set(peer.host, peer)),
      peer.host,
    );
  }

  #peerIsGone(peer: string, why: string, orderly: boolean): void {
    this.#known.delete(peer);
    this.#inEffect.delete(peer);
    this.#host.events.emit("host_left", { host_id: peer, reason: why });
    this.claims.peersChanged();
    this.#apply(this.#host.fleet.apply({ type: "drop-peer", host: peer, orderly }), peer);
  }

  #apply(change: Promise<unknown>, peer: string): void {
    change.catch((error: unknown) => {
      if (this.#host.state === "running")
        this.#host.logger.warn(`what host ${peer} tells does not take effect: ${describe(error)}`);
    });
  }

  #goOn(what: string, work: () => Promise<unknown>): void {
    void work().catch((error: unknown) =>
      this.#host.logger.warn(`${what}, asked over the lattice, failed: ${describe(error)}`),
    );
  }
}

/** As hosts of 0.82 write it. Source: captures of 0.82, section 2. */
function urlOf(connection: LatticeConnection): string {
  const { server } = connection.describe();
  return /^[^\s:]+:\d+$/.test(server) ? `nats://${server}` : server;
}
