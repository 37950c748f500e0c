/**
 * Guests of every era against the whole host: over HTTP, each asks for every operation of each
 * contract in its own encoding and says what it got. Source: waPC and actors reference, section 11.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, actorLogging, httpServer, memoryKeyvalue, memoryMessaging } from "../../index.ts";
import { type ActorHandle, type Host, numberGenerator, startHost } from "../../index.ts";
import { corpus, corpusGuest, guestFile } from "../support/guest-corpus.ts";
import type { CorpusGuest } from "../support/guest-corpus.ts";
import { until } from "../support/until.ts";

interface World extends AsyncDisposable {
  readonly host: Host;
  readonly actor: ActorHandle;
  /** What the guest answers: its `result`, or its whole answer where there is none. */
  ask(path: string): Promise<unknown>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

async function startGuest(guest: CorpusGuest, providers = allProviders()): Promise<World> {
  const host = await startHost({ logLevel: "silent" });
  const actor = await host.startActor(await ActorModule.fromFile(guestFile(guest)));
  for (const provider of providers) {
    await host.link(actor, await host.startProvider(provider), { values: { SUBSCRIPTION: "tea" } });
  }
  const { urls } = await host.link(actor, await host.startProvider(httpServer()), {
    values: { address: "127.0.0.1:0" },
  });
  const get = (path: string, init?: RequestInit) => fetch(`${urls[0]}${path}`, init);
  return {
    host,
    actor,
    fetch: get,
    async ask(path) {
      const response = await get(path);
      const text = await response.text();
      assert.equal(response.status, 200, `${path}: ${text}`);
      const answer = JSON.parse(text) as { result?: unknown };
      return "result" in answer ? answer.result : answer;
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

const allProviders = () => [memoryKeyvalue(), memoryMessaging(), actorLogging(), numberGenerator()];

/** The one value inside a reply of the AssemblyScript driver, which shows replies whole. */
function inner(result: unknown): unknown {
  if (typeof result !== "object" || result === null || Array.isArray(result)) return result;
  const reply = result as Record<string, unknown>;
  if (reply["exists"] === false) return null;
  return reply["value"] ?? reply["newCount"] ?? reply["values"] ?? reply["guid"] ?? reply["key"];
}

const drivers = corpus.guests.filter(({ drives }) => drives.includes("keyvalue"));

for (const guest of drivers) {
  const weld = guest.era === "E4";
  const name = (waScc: string, e4: string) => `/keyvalue/${weld ? e4 : waScc}`;

  test(`${guest.name} (${guest.era}) reaches every key-value operation in its own encoding`, async () => {
    await using world = await startGuest(guest);
    const ask = async (path: string) => inner(await world.ask(path));
    const add = name("Add", "Increment");
    assert.equal(await ask(`${add}?key=n&value=5`), 5);
    assert.equal(await ask(`${add}?key=n&value=-7`), -2);
    assert.equal(await ask("/keyvalue/Get?key=n"), "-2");
    await ask("/keyvalue/Set?key=s&value=th%C3%A9&expires=3600");
    assert.equal(await ask("/keyvalue/Get?key=s"), "thé");
    const exists = async () => {
      const found = await world.ask(`${name("KeyExists", "Contains")}?key=s`);
      return typeof found === "object" ? (found as { exists: boolean }).exists : found;
    };
    assert.equal(await exists(), true);
    await ask("/keyvalue/Del?key=s");
    assert.equal(await exists(), false);
    assert.equal(await ask("/keyvalue/Get?key=s"), null);

    const range = (start: number, stop: number) =>
      ask(`${name("Range", "ListRange")}?key=l&start=${start}&stop=${stop}`);
    for (const [index, value] of ["a", "b", "a"].entries()) {
      assert.equal(await ask(`${name("Push", "ListAdd")}?key=l&value=${value}`), index + 1);
    }
    assert.deepEqual(await range(0, -1), ["a", "b", "a"]);
    assert.deepEqual(await range(-2, 9), ["b", "a"]);
    const deleted = await ask(`${name("ListItemDelete", "ListDel")}?key=l&value=b`);
    assert.equal(deleted, weld ? true : 2);
    assert.deepEqual(await range(0, -1), ["a", "a"]);
    await ask(`${name("Clear", "ListClear")}?key=l`);
    assert.deepEqual(await range(0, -1), []);

    for (const [set, value] of ["xa", "xb", "yb", "yc"].map((pair) => pair.split(""))) {
      await ask(`/keyvalue/SetAdd?key=${set}&value=${value}`);
    }
    const sorted = async (path: string) => ((await ask(path)) as string[]).toSorted();
    assert.deepEqual(await sorted("/keyvalue/SetUnion?keys=x&keys=y"), ["a", "b", "c"]);
    assert.deepEqual(await sorted("/keyvalue/SetIntersection?keys=x&keys=y"), ["b"]);
    await ask(`${name("SetRemove", "SetDel")}?key=x&value=a`);
    assert.deepEqual(await ask("/keyvalue/SetQuery?key=x"), ["b"]);
    if (weld) {
      assert.equal(await ask("/keyvalue/SetClear?key=x"), true);
      assert.deepEqual(await ask("/keyvalue/SetQuery?key=x"), []);
    }

    const refused = await world.fetch(`${name("Push", "ListAdd")}?key=n&value=v`);
    assert.equal(refused.status, 500);
    assert.match(((await refused.json()) as { error: string }).error, /does not fit n/);
    assert.deepEqual(await world.ask("/some/path"), { counter: 1 });
    assert.deepEqual(await world.ask("/some/path"), { counter: 2 });
  });

  test(`${guest.name} (${guest.era}) gets a message, answers it, and hears its own answer`, async () => {
    await using world = await startGuest(guest);
    assert.equal(await world.ask("/messaging/Request?subject=tea&body=h%C3%A9&timeout=2000"), "reply: hé");
    await world.ask("/messaging/Publish?subject=tea&reply=nowhere&body=hello");
    await until(() => lines(world).some(({ text }) => text.endsWith("message on tea, 5 bytes")));
    const nobody = await world.fetch("/messaging/Request?subject=coffee&body=b&timeout=200");
    assert.match(((await nobody.json()) as { error: string }).error, /nobody listens on coffee/);
  });
}

for (const guest of corpus.guests.filter(({ drives }) => drives.join() === "httpserver")) {
  test(`${guest.name} (${guest.era}) counts paths behind HTTP`, async () => {
    await using world = await startGuest(guest, [memoryKeyvalue()]);
    assert.deepEqual(await world.ask("/some/path"), { counter: 1 });
    assert.deepEqual(await world.ask("/some/path"), { counter: 2 });
  });
}

for (const guest of drivers.filter(({ drives }) => drives.includes("logging"))) {
  test(`${guest.name} (${guest.era}) writes log lines of every level`, async () => {
    await using world = await startGuest(guest);
    for (const level of ["error", "warn", "info", "debug"]) {
      await world.ask(`/logging/${level}?text=th%C3%A9+${level}`);
      const line = await until(() => lines(world).find(({ text }) => text.endsWith(`thé ${level}`)));
      assert.equal(line.level, level);
    }
  });
}

for (const guest of drivers.filter(({ drives }) => drives.includes("numbers"))) {
  test(`${guest.name} (${guest.era}) draws numbers and ids`, async () => {
    await using world = await startGuest(guest);
    const weld = guest.era === "E4";
    const draw = async (path: string, field: string) => {
      const result = await world.ask(path);
      return typeof result === "object" ? (result as Record<string, unknown>)[field] : result;
    };
    assert.match(String(await draw(weld ? "/numbers/GenerateGuid" : "/numbers/guid", "guid")), /^[0-9a-f-]{36}$/);
    for (let i = 0; i < 20; i++) {
      const path = `/numbers/${weld ? "RandomInRange" : "random"}?min=3&max=4`;
      assert.ok([3, 4].includes((await draw(path, "randomNumber")) as number));
    }
    if (weld) {
      assert.equal(typeof (await draw("/numbers/Random32", "")), "number");
      return;
    }
    const first = (await draw("/numbers/sequence", "sequenceNumber")) as number;
    assert.equal(await draw("/numbers/sequence", "sequenceNumber"), first + 1);
  });
}

for (const name of ["e2", "e2-assemblyscript", "e1-eight"]) {
  test(`${name} uses a portable provider for key-value, bound with the values of its link`, async () => {
    await using world = await startGuest(corpusGuest(name), []);
    const store = await world.host.startActor(await ActorModule.fromFile(guestFile("portable-keyvalue")));
    await world.host.link(world.actor, store.id, { values: { COLOUR: "green" } });
    assert.deepEqual(await world.ask("/tea"), { counter: 1 });
    assert.deepEqual(await world.ask("/tea"), { counter: 2 });
    const bound = String(inner(await world.ask("/keyvalue/Get?key=bound")));
    assert.ok(bound.includes(world.actor.id) && bound.includes("green"), bound);
  });
}

test("an actor reaches a portable provider of a contract of its own, even one older than BindActor", async () => {
  await using world = await startGuest(corpusGuest("e2"), []);
  const demo = await world.host.startActor(await ActorModule.fromFile(guestFile("portable-wasidemo")));
  await world.host.link(world.actor, demo.id);
  const payload = Buffer.from("81ac73757065725f7365637265742a", "hex");
  const response = await world.fetch("/call?target=wascc:wasidemo&operation=DoCustomThing", {
    method: "POST",
    body: payload,
  });
  const reply = Buffer.from(await response.arrayBuffer());
  assert.equal(reply.toString("hex"), "81ab7265706c795f76616c7565d2000001a4");
});

for (const name of ["e3", "e4"]) {
  test(`${name} calls another actor by call alias and by key, of whatever era`, async () => {
    await using world = await startGuest(corpusGuest(name), []);
    const edge = await world.host.startActor(await ActorModule.fromFile(guestFile("edge")));
    for (const target of ["guests/edge", edge.id]) {
      const init = { method: "POST", body: "héllo" };
      const response = await world.fetch(`/call?target=${target}&operation=Echo`, init);
      assert.equal(await response.text(), "héllo");
    }
    const failed = await world.fetch("/call?target=guests/edge&operation=Fail", { method: "POST", body: "nié" });
    assert.match(((await failed.json()) as { error: string }).error, /nié/);
  });
}

test("an actor of the waSCC years calls only actors whose key it claims", async () => {
  await using world = await startGuest(corpusGuest("e2"), []);
  const edge = await world.host.startActor(await ActorModule.fromFile(guestFile("edge")));
  const response = await world.fetch(`/call?target=${edge.id}&operation=Echo`, { method: "POST", body: "x" });
  assert.match(((await response.json()) as { error: string }).error, /may not call actor/);
});

function lines({ host }: World) {
  return host.logs.tail(host.logs.placements().map(({ id }) => id));
}
