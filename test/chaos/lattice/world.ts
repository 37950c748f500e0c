import { ActorModule, signModule } from "../../../actors/index.ts";
import { type Answer } from "../../support/ask-socket.ts";
import { calling, fileBytes, obedient } from "../../support/actors.ts";
import {
  type LatticeConnection,
  catalogue,
  connectNats,
  KeyPair,
  pack,
  Subjects,
  unpack,
} from "../../../lattice/index.ts";
import type { Dice } from "../../support/dice.ts";
import { example } from "../../support/examples.ts";
import { freePort } from "../../support/free-port.ts";
import { NatsServer } from "../../support/nats-server.ts";
import { until } from "../../support/until.ts";
import { ChaosHost } from "./chaos-host.ts";

export const lattice = "default";
const contract = "wasmcloud:keyvalue";

/**
 * A real server, three hosts in processes of their own and a client: the first host has HTTP and the
 * store and is never killed, the others run the counter.
 */
export class ChaosWorld implements AsyncDisposable {
  readonly server: NatsServer;
  readonly client: LatticeConnection;
  readonly hosts: readonly ChaosHost[];
  /** M key of the counter, and where it answers over HTTP. */
  readonly actor: string;
  readonly url: string;
  readonly #issuer = KeyPair.generate("account");
  readonly #key = KeyPair.generate("module");
  readonly #auditor = obedient({ name: "auditor", capabilities: [contract] });
  readonly #address: string;
  #auditorKey = "";
  #store = "";
  #revision = 1;

  private constructor(server: NatsServer, client: LatticeConnection, hosts: readonly ChaosHost[], port: number) {
    this.server = server;
    this.client = client;
    this.hosts = hosts;
    this.actor = this.#key.publicKey;
    this.#address = `127.0.0.1:${port}`;
    this.url = `http://${this.#address}`;
  }

  static async start(): Promise<ChaosWorld> {
    await using undo = new AsyncDisposableStack();
    const server = undo.use(await NatsServer.start());
    const client = await connectNats({ servers: server.url });
    undo.defer(() => client.close());
    await until(() => client.bus.status === "connected");
    const cluster = KeyPair.generate("cluster").seed;
    const hosts: ChaosHost[] = [];
    for (const name of ["store", "left", "right"]) {
      hosts.push(undo.use(await ChaosHost.start(name, server.port, cluster)));
    }
    const world = new ChaosWorld(server, client, hosts, await freePort());
    await world.#furnish();
    undo.move();
    return world;
  }

  get store(): ChaosHost {
    return this.hosts[0]!;
  }

  /** Hosts that run the counter: they may be killed. */
  get workers(): readonly ChaosHost[] {
    return this.hosts.slice(1);
  }

  get revision(): number {
    return this.#revision;
  }

  nextRevision(): number {
    return ++this.#revision;
  }

  async update(host: ChaosHost, revision: number): Promise<void> {
    const bytes = Buffer.from(this.#counter(revision)).toString("base64");
    await host.ask("update", { target: this.actor, reference: "counter", bytes });
  }

  putLink(host: ChaosHost, at: number, deadlineMs: number): Promise<Answer> {
    return host.ask("link.put", {
      actor: this.actor,
      provider: this.#store,
      contractId: contract,
      linkName: `churn-${at}`,
      values: { deadline: `${deadlineMs}ms` },
    });
  }

  deleteLink(host: ChaosHost, at: number): Promise<Answer> {
    return host.ask("link.del", { actor: this.actor, contractId: contract, linkName: `churn-${at}` });
  }

  /** A change that any host may be asked for, troubled or not; refused by a known code while the servers are away. */
  change(
    ask: (host: ChaosHost) => Promise<Answer>,
    dice: Dice,
  ): { whom: readonly string[]; run: () => Promise<boolean> } {
    const host = dice.pick(this.hosts);
    return {
      whom: [`links at ${host.name}`],
      run: async () => {
        if (!host.alive) return false;
        try {
          await ask(host);
          return true;
        } catch (error) {
          const { code = "" } = error as { code?: string };
          // Its host was killed meanwhile.
          if (["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE"].includes(code)) return false;
          if (!Object.hasOwn(catalogue, code)) throw error;
          return false;
        }
      },
    };
  }

  /** What the store holds under a key. */
  async held(key: string): Promise<number> {
    const payload = calling(contract, "KeyValue.Get", pack(key));
    const { payload: reply } = await this.store.ask("call", {
      target: this.#auditorKey,
      operation: "Call",
      payload: Buffer.from(payload).toString("base64"),
    });
    const { exists, value } = unpack(Buffer.from(reply as string, "base64"), "the store's answer") as {
      exists: boolean;
      value: string;
    };
    return exists ? Number(value) : 0;
  }

  /** What one of the hosts, whichever takes the question, tells of all claims. */
  async claims(): Promise<string> {
    const { payload } = await this.client.bus.request(new Subjects(lattice).write("getClaims"), new Uint8Array(), {
      timeoutMs: 2_000,
    });
    const { claims } = JSON.parse(Buffer.from(payload).toString()) as { claims: { sub: string }[] };
    return JSON.stringify(claims.toSorted((a, b) => a.sub.localeCompare(b.sub)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    for (const host of this.hosts) await host[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  async #furnish(): Promise<void> {
    const { store, workers } = this;
    const providerId = async (reference: string) => {
      const { provider } = await store.ask("start.provider", { reference });
      return (provider as { id: string }).id;
    };
    this.#store = await providerId("builtin:keyvalue-memory");
    const web = await providerId("wasmcloud:httpserver");
    const start = async (host: ChaosHost, reference: string, bytes: Uint8Array) => {
      const sent = { reference, bytes: Buffer.from(bytes).toString("base64"), instances: 4 };
      return ((await host.ask("start.actor", sent)).actor as { id: string }).id;
    };
    this.#auditorKey = await start(store, "auditor", this.#auditor);
    const counter = this.#counter(this.#revision);
    for (const host of workers) await start(host, "counter", counter);
    await store.ask("link.put", { actor: this.#auditorKey, provider: this.#store });
    const actor = this.actor;
    // As soon as the first host has heard of the others.
    await until(() => store.ask("link.put", { actor, provider: this.#store }).catch(() => undefined));
    await store.ask("link.put", { actor, provider: web, values: { address: this.#address } });
  }

  #counter(revision: number): Uint8Array {
    const bytes = fileBytes(example("kvcounter-rust"));
    const { capabilities } = ActorModule.fromBytes(bytes, { name: "counter" }).claims;
    return signModule(bytes, {
      name: "counter",
      capabilities,
      revision,
      issuer: this.#issuer,
      module: this.#key,
      file: "counter",
    });
  }
}
