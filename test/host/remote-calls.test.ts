import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Provider } from "../../capabilities/index.ts";
import { explain } from "../../host/explain.ts";
import type { Host } from "../../host/index.ts";
import { actorEntity, fail, KeyPair, providerEntity, Subjects } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { hostileMessages } from "../support/hostile-messages.ts";
import { JoinedHosts, type JoinOptions } from "../support/joined-hosts.ts";
import { codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const contract = "wasmcloud:keyvalue";
const get = askHost(contract);

/** What a guest of `asker` gets from the actor `target`, wherever that runs. */
async function ask(host: Host, asker: string, target: string, operation = "Echo", payload = "hello"): Promise<string> {
  return text(await host.call(asker, "Call", askHost(target, operation, payload, "")));
}

/** A key-value store under a V key of its own. */
function store(parts: Partial<Provider> = {}): Provider {
  const { publicKey: key } = KeyPair.generate("service");
  return { contractId: contract, name: "store", key, handle: () => bytes("stored"), ...parts };
}

async function figures(host: Host) {
  const [first] = (await host.fleet.stats()).flatMap(({ remote }) => remote ?? []);
  return first!;
}

for (const rpc of ["session", "wasmcloud"] as const) {
  describe(`calls between hosts as ${rpc}`, () => {
    const two = async (world: JoinedHosts, options: JoinOptions = {}) =>
      [await world.join({ rpc, ...options }), await world.join({ rpc, ...options })] as const;

    test("an actor reaches one on another host by key and by call alias, and only when none runs here", async () => {
      await using world = new JoinedHosts();
      const [here, there] = await two(world);
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const module = edgeActor({ name: "target", callAlias: "demo/target" });
      const target = await there.startActor(module);
      await world.meet();
      assert.equal(await ask(here, asker.id, target.id), "hello");
      assert.equal(await ask(here, asker.id, "demo/target"), "hello");
      assert.equal((await figures(here)).sent[rpc], 2);
      assert.ok((await figures(here)).ms[rpc] > 0);
      assert.equal((await figures(there)).served[rpc], 2);
      await here.startActor(module);
      assert.equal(await ask(here, asker.id, target.id), "hello");
      assert.equal((await figures(here)).sent[rpc], 2);
    });

    test("what no host runs is said at once, and names the lattice", async () => {
      await using world = new JoinedHosts({ rpcTimeoutMs: 60_000 });
      const [here, there] = await two(world);
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const absent = KeyPair.generate("module").publicKey;
      assert.match(await ask(here, asker.id, absent), new RegExp(`no host of lattice shop runs actor ${absent}`));
      const handle = await there.startProvider(store());
      await world.meet();
      await there.link(asker.id, handle);
      await until(() => here.wanted.links.size === 1);
      assert.equal(text(await here.call(asker, "Call", get)), "stored");
      await there.stopProvider(handle);
      await world.meet();
      assert.match(
        text(await here.call(asker, "Call", get)),
        new RegExp(`no host of lattice shop runs provider ${handle.id}`),
      );
    });

    test("a guest hears at once of a call that cannot even be sent", async () => {
      await using world = new JoinedHosts({ rpcTimeoutMs: 60_000 });
      const connection = world.connect();
      const { bus } = connection;
      const [here, there] = [await world.join({ rpc, connection }), await world.join({ rpc })];
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const target = await there.startActor(edgeActor({ name: "target" }));
      await world.meet();
      assert.equal(await ask(here, asker.id, target.id), "hello");
      let full = true;
      for (const way of ["ask", "request"] as const) {
        const send = bus[way].bind(bus) as (...given: unknown[]) => never;
        const held = (...given: unknown[]) => {
          if (full) throw fail("BUS_FULL", "the server", 1);
          return send(...given);
        };
        Object.defineProperty(bus, way, { value: held });
      }
      assert.match(await ask(here, asker.id, target.id), /error: .*the server/);
      assert.equal((await figures(here)).failed[rpc], 1);
      full = false;
      assert.equal(await ask(here, asker.id, target.id), "hello");
    });

    test("a host that is lost fails the calls that wait for it, at once and by code", async () => {
      await using world = new JoinedHosts({ rpcTimeoutMs: 60_000 });
      const [here, there] = await two(world);
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const gate = new Gate();
      const handle = await there.startProvider(store({ handle: (call) => gate.handle(call) }));
      await world.meet();
      await there.link(asker.id, handle);
      await until(() => here.wanted.links.size === 1);
      const waiting = Array.from({ length: 5 }, () => here.call(asker, "Call", get, { timeoutMs: 60_000 }).then(text));
      await until(() => gate.held === 5);
      await world.part(there);
      for (const answer of await Promise.all(waiting)) assert.match(answer, /was lost during the call/);
      gate.open();
      await there.stop();
    });

    test("the time for an answer ends by the lattice's limit, or by the caller's own deadline", async () => {
      await using world = new JoinedHosts({ rpcTimeoutMs: 60 });
      const [here, there] = await two(world);
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const gate = new Gate();
      const handle = await there.startProvider(store({ handle: (call) => gate.handle(call) }));
      await world.meet();
      await there.link(asker.id, handle);
      await until(() => here.wanted.links.size === 1);
      assert.match(text(await here.call(asker, "Call", get)), /no reply on .* in 60 ms|did not answer in/);
      assert.equal(await codeOf(here.call(asker, "Call", get, { timeoutMs: 20 })), "DEADLINE_EXCEEDED");
      gate.open();
      await until(async () => text(await here.call(asker, "Call", get)) === "let through");
    });

    test("actors that call each other in a circle over two hosts end at the limit of hops", async () => {
      await using world = new JoinedHosts();
      const [here, there] = await two(world, { limits: { hops: 6 } });
      const one = await here.startActor(edgeActor({ name: "one" }));
      const other = await there.startActor(edgeActor({ name: "other" }));
      await world.meet();
      let payload = text(askHost(one.id, "Echo", "end", ""));
      for (let turn = 0; turn < 8; turn++) {
        payload = text(askHost(turn % 2 === 0 ? other.id : one.id, "Call", payload, ""));
      }
      assert.match(text(await here.call(one, "Call", bytes(payload))), /reached 6 hops/);
    });

    test("a provider calls the actors that are linked to it on other hosts, and no others", async () => {
      await using world = new JoinedHosts();
      const [here, there] = await two(world);
      const actor = await there.startActor(edgeActor({ name: "linked" }));
      const asks: (() => Promise<Uint8Array>)[] = [];
      let context: Parameters<NonNullable<Provider["start"]>>[0] | undefined;
      const provider = store({
        start: (given) => void (context = given),
        putLink: (link) => void asks.push(() => context!.invoke(link, "Echo", bytes("hello"))),
      });
      const handle = await here.startProvider(provider);
      await world.meet();
      await here.link(actor.id, handle);
      await until(() => there.wanted.links.size === 1);
      assert.equal(text(await asks[0]!()), "hello");
      // The other host looks for itself: a link that it does not know is none.
      await there.fleet.apply({ type: "drop-link", id: [...there.wanted.links.keys()][0]! });
      await assert.rejects(asks[0]!(), /missing link definition/);
    });

    test("payloads over the limit of one message cross both ways", async () => {
      await using world = new JoinedHosts();
      const [here, there] = await two(world, { limits: { cpuMs: 5_000 } });
      const target = await there.startActor(edgeActor({ name: "target" }));
      await world.meet();
      const large = new Uint8Array(1_500_000).fill(7);
      const reply = await here.call(target.id, "Echo", large);
      assert.deepEqual([reply.length, reply[0], reply.at(-1)], [large.length, 7, 7]);
    });

    test("an actor that stops under calls from elsewhere loses none of them to a host that still runs it", async () => {
      await using world = new JoinedHosts();
      const [here, there] = await two(world);
      const third = await world.join({ rpc });
      const asker = await here.startActor(edgeActor({ name: "asker" }));
      const module = edgeActor({ name: "target" });
      const [leaving] = [await there.startActor(module), await third.startActor(module)];
      await world.meet();
      let done = false;
      const answers: string[] = [];
      const callers = Array.from({ length: 4 }, async () => {
        while (!done) answers.push(await ask(here, asker.id, module.claims.key));
      });
      await until(() => answers.length > 20);
      await there.stopActor(leaving);
      const soFar = answers.length;
      await until(() => answers.length > soFar + 20);
      await world.meet();
      done = true;
      await Promise.all(callers);
      assert.deepEqual([...new Set(answers)], ["hello"]);
    });
  });
}

test("a full queue here sends calls to a host with room, and nowhere when there is none", async () => {
  await using world = new JoinedHosts();
  const tight = { limits: { instances: 1, queue: 1 } };
  const [here, there] = [await world.join(tight), await world.join(tight)];
  const gate = new Gate();
  const handle = await here.startProvider(store({ handle: (call) => gate.handle(call) }));
  const module = edgeActor({ name: "target" });
  const target = await here.startActor(module);
  await there.startActor(module);
  await world.meet();
  await here.link(target.id, handle);
  await until(() => there.wanted.links.size === 1);
  const waiting = Array.from({ length: 2 }, () => here.call(target.id, "Call", get).then(text));
  await until(() => gate.held === 1);
  assert.equal(text(await here.call(target.id, "Echo", bytes("elsewhere"))), "elsewhere");
  await world.meet((peer) => ({ ...peer, actors: peer.actors.map((actor) => ({ ...actor, room: 0 })) }));
  assert.equal(await codeOf(here.call(target.id, "Echo", bytes("no room"))), "QUEUE_FULL");
  gate.open();
  assert.deepEqual(await Promise.all(waiting), ["let through", "let through"]);
});

test("hosts that were not announced are called on the subject that all share", async () => {
  await using world = new JoinedHosts();
  const [here, there] = [await world.join(), await world.join()];
  const asker = await here.startActor(edgeActor({ name: "asker" }));
  const target = await there.startActor(edgeActor({ name: "target" }));
  const handle = await there.startProvider(store());
  await there.link(asker.id, handle);
  await until(() => here.wanted.links.size === 1);
  assert.equal(await ask(here, asker.id, target.id), "hello");
  assert.equal(text(await here.call(asker, "Call", get)), "stored");
  assert.equal((await figures(there)).served.wasmcloud, 2);
});

test("a host of another cluster is not called directly, and its calls are refused and counted", async () => {
  await using world = new JoinedHosts();
  const here = await world.join();
  const stranger = await world.join({ cluster: KeyPair.generate("cluster") });
  const asker = await stranger.startActor(edgeActor({ name: "asker" }));
  const target = await here.startActor(edgeActor({ name: "target" }));
  assert.match(await ask(stranger, asker.id, target.id), /cluster issuers/);
  await world.meet();
  assert.match(await ask(stranger, asker.id, target.id), /cluster issuers/);
  const { refused, served } = await figures(here);
  assert.deepEqual(served, { session: 0, wasmcloud: 0 });
  assert.equal(here.fleet.caller.tables.peers.size, 0);
  assert.deepEqual(refused, { INVOCATION_ISSUER_FOREIGN: 2, HELLO_REFUSED: 1 });
});

test("hostile messages on every subject of calls are counted by reason and hurt nobody", async () => {
  await using world = new JoinedHosts();
  const here = await world.join();
  const target = await here.startActor(edgeActor({ name: "target" }));
  const handle = await here.startProvider(store());
  const subjects = new Subjects("shop");
  await using connection = world.connect();
  const { bus } = connection;
  const all = [
    subjects.write("directed", { host: here.id, place: "c" }),
    subjects.write("actorRpc", { actor: target.id }),
    subjects.write("providerRpc", { provider: handle.id, linkName: "default" }),
  ];
  const each = 300;
  for (const [at, subject] of all.entries()) {
    const me = at === 2 ? providerEntity(handle.id, contract, "default") : actorEntity(target.id);
    const noise = hostileMessages({ seed: at + 1, target: me, lattice: "shop", cluster: world.cluster });
    for (let sent = 0; sent < each; sent++) {
      const { payload } = noise.next().value;
      bus.publish(subject, payload.subarray(0, bus.maxPayloadBytes));
    }
  }
  await bus.flush();
  await until(async () => {
    const { refused } = await figures(here);
    return Object.values(refused).reduce((sum, count) => sum + count, 0) >= all.length * each;
  });
  const { served } = await figures(here);
  assert.deepEqual(served, { session: 0, wasmcloud: 0 });
  assert.equal(text(await here.call(target, "Echo", bytes("well"))), "well");
});

test("explain says where calls would go: here, on which other hosts, or nowhere", async () => {
  await using world = new JoinedHosts();
  const [here, there] = [await world.join(), await world.join()];
  const asker = await here.startActor(edgeActor({ name: "asker" }));
  const target = await there.startActor(edgeActor({ name: "target", callAlias: "demo/target" }));
  const handle = await there.startProvider(store());
  await world.meet();
  await there.link(asker.id, handle);
  await until(() => here.wanted.links.size === 1);
  const step = async (towards: string) =>
    (await explain(here, "asker", towards)).steps.find(({ step: name }) => name === "may call")!;
  assert.match((await step("demo/target")).text, new RegExp(`on ${there.name} with room for \\d+`));
  assert.match((await step(contract)).text, new RegExp(`on ${there.name}$`));
  const absent = await step(KeyPair.generate("module").publicKey);
  assert.deepEqual([absent.ok, absent.code], [false, "ACTOR_ABSENT"]);
  const { steps } = await explain(here, "target");
  assert.deepEqual(
    steps.map(({ step: name, ok }) => [name, ok]),
    [
      ["found", true],
      ["token", true],
      ["runs", true],
    ],
  );
  assert.equal(steps[0]!.text.includes(target.id), true);
});
