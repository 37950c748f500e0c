import {
  type Bus,
  describe,
  fail,
  Hellos,
  type KeyPair,
  type RpcPolicy,
  type Subjects,
  type Subscription,
} from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import { sumPlacements } from "../inventory.ts";
import { version } from "../version.ts";
import type { ProviderRecord } from "../wanted.ts";
import type { PeerActor, PeerProvider } from "../remote/peers.ts";
import { type Presence, readPresence, signatureHeader, signPresence } from "./presence-message.ts";
import { inParts, PartsBook } from "./presence-parts.ts";

/** Changes this close together are told once, in milliseconds. */
const coalesceMs = 50;
/** A host with thousands of actors waits longer: it announces no more than so many bytes in a millisecond. */
const bytesPerMs = 2_000;
/** Largest message, also where the server takes larger ones: others wait behind it. */
const usualPartBytes = 524_288;
/** What the headers of a message may need of the server's limit. */
const headerBytes = 512;
/** Beats of silence after which a host is gone. Source: design 6. */
const beatsOfSilence = 2.5;
/** How often in a beat it is looked for silent hosts, so that one is missed little later than it should be. */
const looksPerBeat = 10;
/** Hosts that are followed; more would be an attack. */
const mostPeers = 10_000;

export interface PresenceOptions {
  readonly host: Host;
  readonly key: KeyPair;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly everyMs: number;
  readonly rpc: RpcPolicy;
  /** Cluster keys (C) that vouch for hosts. */
  readonly issuers: readonly string[];
  /** Signed beginning of sessions with this host. */
  readonly hello: () => string;
  /** Whether engines in threads take calls on connections of their own; else the caller's thread takes all. */
  readonly ownConnections: boolean;
  /** False while calls would be refused that will not be later. */
  readonly ready: () => boolean;
  /** Told of each announcement that is none. */
  readonly onRefused: (error: unknown) => void;
  /** Each of our other hosts, when it comes or changes. */
  readonly onPeer: (peer: Presence) => void;
  /** `orderly` when it said so itself. */
  readonly onGone: (host: string, why: string, orderly: boolean) => void;
}

interface Known {
  readonly presence: Presence;
  /** When its latest announcement came, of this thread's `performance.now()`. */
  readonly seen: number;
  /** `at` of that one, which may not be whole yet. */
  readonly latest: number;
}

/** Tells our other hosts what runs here, and keeps what they tell. */
export class PresenceBook {
  readonly #options: PresenceOptions;
  readonly #hellos: Hellos;
  readonly #known = new Map<string, Known>();
  readonly #parts = new PartsBook();
  readonly #subscriptions: Subscription[] = [];
  readonly #warned = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** When it was looked for silent hosts last. */
  #looked = 0;
  #soon: NodeJS.Timeout | undefined;
  #endOfEvents: (() => void) | undefined;
  #stopped = false;
  #publishing = Promise.resolve();
  #last = 0;
  /** Of the last announcement. */
  #bytes = 0;
  #leftOut = "";

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { host, issuers, rpc } = options;
    this.#hellos = new Hellos({ lattice: host.config.lattice, issuers, rpc, capacity: mostPeers });
  }

  /** The other hosts that are here now. */
  peers(): readonly Presence[] {
    return [...this.#known.values()].map(({ presence }) => presence);
  }

  start(): void {
    this.#looked = performance.now();
    const { bus, subjects, everyMs, host } = this.#options;
    this.#subscriptions.push(
      bus.subscribe(subjects.write("presence"), ({ payload, headers }) =>
        this.#take(payload, headers.get(signatureHeader)?.[0]),
      ),
      bus.subscribe(subjects.write("askPresence"), () => this.changed()),
    );
    this.#endOfEvents = host.events.subscribe(({ type }) => {
      // Calls wait there for an engine that is gone, and its place will not be empty for long.
      if (type === "engine_lost") void this.#publish();
      else this.changed();
    });
    this.#timers.push(
      setInterval(() => void this.#publish(), everyMs).unref(),
      setInterval(() => this.#missSilent(), this.#lookMs).unref(),
    );
  }

  /** The server is there (again): everybody tells, ourselves first. */
  connected(): void {
    // What was silent while we could not hear it has its time again.
    const now = performance.now();
    for (const [host, known] of this.#known) this.#known.set(host, { ...known, seen: now });
    this.changed();
    this.#options.bus.publish(this.#options.subjects.write("askPresence"), new Uint8Array());
  }

  /** Something changed here: told soon, together with what else changes. */
  changed(): void {
    if (this.#stopped) return;
    this.#soon ??= setTimeout(
      () => {
        this.#soon = undefined;
        void this.#publish();
      },
      coalesceMs + this.#bytes / bytesPerMs,
    ).unref();
  }

  /** Tells and hears no more. */
  fallSilent(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#soon);
    this.#endOfEvents?.();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Says goodbye. May be called twice. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.fallSilent();
    await this.#publishing;
    await this.#send(true);
  }

  get #lookMs(): number {
    return Math.max(this.#options.everyMs / looksPerBeat, 10);
  }

  #missSilent(): void {
    const now = performance.now();
    // While this thread itself was held up it could hear nobody: that time is no silence of others.
    const deafMs = now - this.#looked - this.#lookMs;
    this.#looked = now;
    if (this.#options.bus.status !== "connected") return;
    if (deafMs > this.#lookMs)
      for (const [host, known] of this.#known) this.#known.set(host, { ...known, seen: known.seen + deafMs });
    for (const [host, { presence, seen }] of this.#known) {
      const patience = Math.max(presence.everyMs, this.#options.everyMs) * beatsOfSilence;
      if (now - seen > patience) this.#forget(host, `it was silent for ${Math.round(now - seen)} ms`);
    }
  }

  #publish(): Promise<void> {
    this.#publishing = this.#publishing.then(() => (this.#stopped ? undefined : this.#send(false)));
    return this.#publishing;
  }

  async #send(gone: boolean): Promise<void> {
    const { bus, subjects, key, host } = this.#options;
    if (bus.status !== "connected") return;
    try {
      const presence = await this.#own(gone);
      const { parts, leftOut } = inParts(presence, Math.min(bus.maxPayloadBytes - headerBytes, usualPartBytes));
      this.#bytes = 0;
      for (const part of parts) {
        const { payload, signature } = signPresence(part, key);
        this.#bytes += payload.length;
        bus.publish(subjects.write("presence"), payload, { headers: new Map([[signatureHeader, [signature]]]) });
      }
      this.#tellLeftOut(leftOut.join(", "));
    } catch (error) {
      host.logger.warn(`this host could not announce itself: ${describe(error)}`);
    }
  }

  #tellLeftOut(names: string): void {
    if (names !== "" && names !== this.#leftOut)
      this.#options.host.logger.warn(`other hosts do not see ${names}: one message of this server cannot hold it`);
    this.#leftOut = names;
  }

  async #own(gone: boolean): Promise<Presence> {
    const { host, everyMs, rpc, hello, ownConnections, ready } = this.#options;
    const { fleet, wanted } = host;
    // Clocks may stand still or go back; two announcements never have one time.
    this.#last = Math.max(Date.now(), this.#last + 1);
    return {
      host: host.id,
      name: host.name,
      version,
      labels: host.labels.all,
      hello: hello(),
      places: ["c", ...(ownConnections ? fleet.placesUp.filter((place) => place >= 0).map(String) : [])],
      rpc,
      draining: gone || host.state !== "running" || !ready(),
      actors: gone ? [] : await actorsOf(host),
      providers: gone
        ? []
        : [
            ...[...wanted.providers.values()].map((record) => providerRow(record)),
            ...[...wanted.beside].map(([record, serving]) => ({ ...providerRow(record), swap: serving })),
          ],
      everyMs,
      at: this.#last,
      ...(gone ? { gone } : {}),
    };
  }

  #take(payload: Uint8Array, signature: string | undefined): void {
    let presence: Presence | undefined;
    try {
      presence = readPresence(payload, signature);
      if (presence.host === this.#options.host.id) return;
      // Anybody makes a host key; only a cluster key makes a host of ours.
      if (this.#hellos.accept(presence.hello).host !== presence.host)
        throw fail("PRESENCE_INVALID", `the hello of ${presence.host} is another host's`);
      // It lives, whatever becomes of the other parts.
      this.#hear(presence);
      presence = this.#parts.take(presence);
    } catch (error) {
      this.#options.onRefused(error);
      const text = describe(error);
      if (this.#warned.size < 100 && !this.#warned.has(text)) {
        this.#warned.add(text);
        this.#options.host.logger.warn(`an announcement is ignored: ${text}`);
      }
      return;
    }
    if (this.#stopped || !presence) return;
    const { host, at } = presence;
    const known = this.#known.get(host);
    if (known && known.presence.at >= at) return;
    if (presence.gone) return this.#forget(host, "it said goodbye", true);
    if (!known && this.#known.size >= mostPeers) return;
    this.#known.set(host, { presence, seen: performance.now(), latest: at });
    this.#options.onPeer(presence);
  }

  #hear({ host, at }: Presence): void {
    const known = this.#known.get(host);
    if (known && at > known.latest) this.#known.set(host, { ...known, seen: performance.now(), latest: at });
  }

  #forget(host: string, why: string, orderly = false): void {
    this.#parts.forget(host);
    if (this.#known.delete(host)) this.#options.onGone(host, why, orderly);
  }
}

function providerRow({ spec: { key, linkName, contractId, name }, draining }: ProviderRecord): PeerProvider {
  return { key, linkName, contractId, name, ...(draining ? { draining } : {}) };
}

/** One row for each actor key, over its placements. */
async function actorsOf(host: Host): Promise<readonly PeerActor[]> {
  const figures = sumPlacements(await host.fleet.stats());
  const rows = new Map<string, PeerActor>();
  for (const { spec } of host.wanted.placements.values()) {
    const { claims, key, era, language } = spec.module;
    const { busy = 0, waiting = 0 } = figures.get(spec.id) ?? {};
    const before = rows.get(key);
    const free = Math.max(spec.limits.instances * spec.places.length - busy, 0);
    const queueLeft = Math.max(spec.limits.queue * spec.places.length - waiting, 0);
    rows.set(key, {
      key,
      ...(claims.callAlias === undefined ? {} : { alias: claims.callAlias }),
      name: claims.name,
      issuer: claims.issuer,
      era,
      language,
      capabilities: claims.capabilities,
      tags: claims.tags,
      since: Math.min(before?.since ?? Infinity, spec.since),
      placements: [...(before?.placements ?? []), spec.id],
      room: (before?.room ?? 0) + free + queueLeft,
      queue: (before?.queue ?? 0) + waiting,
    });
  }
  return [...rows.values()];
}
