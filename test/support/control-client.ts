import { connectNats, type LatticeConnection } from "../../lattice/index.ts";
import { NatsServer, type NatsServerOptions } from "./nats-server.ts";
import { type Host, type HostOptions, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { until } from "./until.ts";

/** An event as clients of the 0.x years read it. */
export interface SeenEvent {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A real server, hosts that join it, and a client that speaks the control interface of the 0.x years. */
export class ControlLattice implements AsyncDisposable {
  readonly server: NatsServer;
  readonly client: LatticeConnection;
  readonly clusterSeed: string = KeyPair.generate("cluster").seed;
  readonly hosts: Host[] = [];
  /** On `wasmbus.evt.default`, without heartbeats. */
  readonly events: SeenEvent[] = [];

  private constructor(server: NatsServer, client: LatticeConnection) {
    this.server = server;
    this.client = client;
    client.bus.subscribe("wasmbus.evt.default", ({ payload }) => {
      const event = JSON.parse(Buffer.from(payload).toString()) as SeenEvent;
      if (!event.type.endsWith("host_heartbeat")) this.events.push(event);
    });
  }

  static async start(options: NatsServerOptions = {}): Promise<ControlLattice> {
    const server = await NatsServer.start(options);
    const client = await connectNats({ servers: server.url });
    await until(() => client.bus.status === "connected");
    return new ControlLattice(server, client);
  }

  /** A host that has joined and that the others know. */
  async host(options: HostOptions = {}): Promise<Host> {
    const { clusterSeed } = this;
    const host = await startHost({
      nats: this.server.url,
      clusterSeed,
      presenceMs: 500,
      logLevel: "error",
      ...options,
      limits: { rpcTimeoutMs: 20_000, ...options.limits },
    });
    this.hosts.push(host);
    await until(() => host.member?.report.status === "connected");
    await until(async () => (await this.all("ping.hosts")).some((record) => record["id"] === host.id));
    await until(() => this.hosts.every(({ member }) => (member?.peers.length ?? 0) === this.hosts.length - 1));
    return host;
  }

  /** The answers of all who answer within half a second; asked again until there are `least`, since a busy machine is late. */
  async all(suffix: string, body: unknown = "", least = 1): Promise<Record<string, unknown>[]> {
    const replies = await until(async () => {
      const some = await this.client.bus.gather(`wasmbus.ctl.default.${suffix}`, bytes(body), { timeoutMs: 500 });
      return some.length >= least && some;
    });
    return replies.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>);
  }

  /** The first answer, as text. */
  async text(suffix: string, body: unknown = ""): Promise<string> {
    const { payload } = await this.client.bus.request(`wasmbus.ctl.default.${suffix}`, bytes(body), {
      timeoutMs: 20_000,
    });
    return Buffer.from(payload).toString();
  }

  /** The first answer. */
  async ask(suffix: string, body: unknown = ""): Promise<Record<string, unknown>> {
    return JSON.parse(await this.text(suffix, body)) as Record<string, unknown>;
  }

  /** Waits for an event of this name; those before it are forgotten. */
  async event(name: string, fits: (event: SeenEvent) => boolean = () => true): Promise<SeenEvent> {
    const fitting = (event: SeenEvent) => event.type.split(".").at(-1) === name && fits(event);
    const found = await until(() => this.events.find(fitting));
    return found;
  }

  /** Names of the events so far, and forgets them. */
  takeNames(): string[] {
    return this.events.splice(0).map(({ type }) => type.split(".").at(-1) ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.stop()));
    await this.client.close();
    await this.server[Symbol.asyncDispose]();
  }
}

function bytes(body: unknown): Uint8Array {
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
