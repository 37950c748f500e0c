import assert from "node:assert/strict";
import { type Host, type HostOptions, askVerb, startHost } from "../../host/index.ts";
import { KeyPair, Subjects } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { codeOf } from "../support/journey.ts";
import { LatticeMember } from "../support/lattice-member.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

/** Long enough that nobody is missed who only waits for a busy machine. */
const presenceMs = 1_500;
const callers = 16;
const longMs = 30_000;
const subjects = new Subjects("default");

natsTest(
  "a host that is killed takes nothing with it but the calls inside it, is missed in time, and comes back with what it ran",
  async () => {
    await using server = await NatsServer.start();
    const common: HostOptions = {
      nats: server.url,
      clusterSeed: KeyPair.generate("cluster").seed,
      presenceMs,
      limits: { cpuMs: longMs, rpcTimeoutMs: longMs },
    };
    await using here = await startHost({ ...common, logLevel: "silent" });
    await using client = await watchedConnection({ servers: server.url });
    const { bus } = client;
    await client.connected();
    const store = await here.startProvider("wasmcloud:keyvalue");
    await using mortal = new LatticeMember({
      ...common,
      hostSeed: KeyPair.generate("server").seed,
      remember: true,
      engines: 1,
    });
    const killed = await mortal.start();
    const actor = KeyPair.generate("module");
    const bytes = Buffer.from(
      obedient({ name: "target", module: actor, capabilities: ["wasmcloud:keyvalue"] }),
    ).toString("base64");
    const id = actor.publicKey;
    const startAt = (host: string) =>
      askVerb(bus, subjects, host, "start.actor", { reference: "target", bytes, instances: callers });
    await startAt(killed);
    await until(() => at(here, id).length === 1, longMs);
    await here.link(id, store);

    // Nobody else runs it yet, so these are inside the one that will be killed.
    const room = at(here, id)[0]!.actor.room;
    const inside = [1, 2].map(() => codeAndText(here.call(id, "Spin", new Uint8Array(), { timeoutMs: longMs })));
    await until(() => at(here, id)[0]!.actor.room <= room - inside.length, longMs);
    await using survivor = new LatticeMember({ ...common, engines: 1 });
    const alive = await survivor.start();
    await startAt(alive);
    await until(() => at(here, id).length === 2, longMs);

    const load = new Load(here, id);
    try {
      await load.more(200);
      assert.equal(await mortal.kill(), true);
      for (const { code, text } of await Promise.all(inside)) {
        assert.equal(code, "HOST_LOST");
        assert.match(text, /^host \S+ was lost during the call/);
      }
      await until(() => at(here, id).length === 1, longMs);
      await load.more(200);
      const lost = load.errors.length;
      assert.ok(lost <= callers, `${lost} calls of ${callers} callers failed`);
      assert.deepEqual(
        [...new Set(load.errors)].filter((code) => code !== "HOST_LOST"),
        [],
      );
      const left = here.events
        .recent(0)
        .findLast(({ type, data }) => type === "host_left" && data["host_id"] === killed);
      const [, silence] = /silent for (\d+) ms/.exec(String(left?.data["reason"])) ?? [];
      assert.ok(Number(silence) >= 2.5 * presenceMs, `missed after ${silence} ms`);

      assert.equal(await mortal.start(), killed, "it is the same host");
      await until(() => at(here, id).some(({ peer }) => peer.host === killed), longMs);
      assert.equal(at(here, id).find(({ peer }) => peer.host === killed)?.actor.placements.length, 1);
      await load.more(400);
      assert.equal(load.errors.length, lost, "nothing is lost when it comes back");
    } finally {
      await load.end();
    }
  },
);

/** Where an actor runs, as a host knows it. */
const at = (host: Host, actor: string) => host.fleet.caller.tables.peers.actorsOf(actor);

async function codeAndText(call: Promise<unknown>): Promise<{ code?: string; text: string }> {
  const code = await codeOf(call);
  const text = await call.then(String, (error: Error) => error.message);
  return { text, ...(code === undefined ? {} : { code }) };
}

/** Calls without a pause; what came back wrong or not at all is kept by its code. */
class Load {
  readonly errors: string[] = [];
  #answered = 0;
  #ended = false;
  readonly #callers: Promise<unknown>;

  constructor(host: Host, actor: string) {
    this.#callers = Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let turn = 0; !this.#ended; turn++) {
          const said = `${caller} ${turn}`;
          const answer = host.call(actor, "Echo", Buffer.from(said), { timeoutMs: longMs });
          const code = await codeOf(answer);
          if (code !== undefined) this.errors.push(code);
          else if (Buffer.from(await answer).toString() !== said) this.errors.push("another's answer");
          else this.#answered++;
        }
      }),
    );
  }

  async more(count: number): Promise<void> {
    const wanted = this.#answered + count;
    await until(() => this.#answered >= wanted, longMs);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#callers;
  }
}
