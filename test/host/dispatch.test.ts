import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as nextTurn } from "node:timers/promises";
import type { CallSite, GuestCall, GuestHost } from "../../actors/index.ts";
import type { ProviderCall } from "../../capabilities/index.ts";
import { Dispatch, type DispatchOptions } from "../../host/dispatch.ts";
import { compileMiddleware, type Middleware } from "../../host/middleware.ts";
import type { Policy } from "../../host/policy.ts";
import type { PlacementRow } from "../../host/tables.ts";
import { isLatticeError, KeyPair, localInvocation, type VerifiedInvocation } from "../../lattice/index.ts";
import { FakeWorld, site } from "./fake-tables.ts";

const moduleKey = () => KeyPair.generate("module").publicKey;
const counterKey = moduleKey();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

function dispatchOf(world: FakeWorld, options: Partial<DispatchOptions> = {}): Dispatch {
  return new Dispatch({
    tables: world.tables,
    hopLimit: 4,
    payloadBytes: 1_000,
    strict: false,
    policy: undefined,
    aroundActor: undefined,
    aroundProvider: undefined,
    onUnclaimed: () => {},
    ...options,
  });
}

/** A host call as its guest makes it: whichever way the answer comes. */
function asked(host: GuestHost, ...call: [CallSite, Uint8Array, GuestCall]): Uint8Array | Promise<Uint8Array> {
  const { promise, resolve: answered, reject: failed } = Promise.withResolvers<Uint8Array>();
  return host.hostCall(...call, { answered, failed }) ?? promise;
}

/** What a guest of `caller` gets for a host call. */
async function ask(
  dispatch: Dispatch,
  caller: PlacementRow,
  namespace: string,
  binding = "default",
  operation = "Get",
  hops = 0,
): Promise<string> {
  const host = dispatch.hostOf(caller, () => {});
  const call = {
    operation: "outer",
    payload: new Uint8Array(),
    deadline: performance.now() + 1_000,
    hops,
    trace: undefined,
  };
  return text(await asked(host, site(namespace, operation, binding), bytes("in"), call));
}

const code = (wanted: string) => (error: unknown) => isLatticeError(error) && error.code === wanted;
const refuses = (work: () => Promise<unknown>, wanted: string) => assert.rejects(async () => work(), code(wanted));
const store = (name = "store", reply = "from the store") => ({
  contractId: "wasmcloud:keyvalue",
  name,
  handle: () => bytes(reply),
});

describe("dispatch", () => {
  test("an actor reaches a provider that it claims and is linked to, under any era's name of the contract", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wascc:keyvalue"], era: "E2" });
    world.link(actor, world.provider(store()));
    assert.equal(await ask(dispatchOf(world), actor, "wascc:keyvalue"), "from the store");
  });

  test("without the claim the call is refused with the claim, without the link with the link", async () => {
    const world = new FakeWorld();
    const unclaimed = world.actor({ key: counterKey, name: "counter" });
    world.link(unclaimed, world.provider(store()));
    await refuses(() => ask(dispatchOf(world), unclaimed, "wasmcloud:keyvalue"), "CLAIM_ABSENT");
    const unlinked = world.actor({ key: moduleKey(), name: "other", claims: ["wasmcloud:keyvalue"] });
    await refuses(() => ask(dispatchOf(world), unlinked, "wasmcloud:keyvalue"), "LINK_ABSENT");
  });

  test("two links of one contract under different names reach different providers", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    world.link(actor, world.provider(store("first", "one")));
    world.link(actor, world.provider(store("second", "two"), "spare"));
    const dispatch = dispatchOf(world);
    assert.equal(await ask(dispatch, actor, "wasmcloud:keyvalue"), "one");
    assert.equal(await ask(dispatch, actor, "wasmcloud:keyvalue", "spare"), "two");
  });

  test("a way compiled once is compiled again after the tables changed", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    const link = world.link(actor, world.provider(store()));
    const dispatch = dispatchOf(world);
    const host = dispatch.hostOf(actor, () => {});
    const once = site("wasmcloud:keyvalue", "Get");
    const call = {
      operation: "outer",
      payload: new Uint8Array(),
      deadline: performance.now() + 1_000,
      hops: 0,
      trace: undefined,
    };
    assert.equal(text(await asked(host, once, bytes("in"), call)), "from the store");
    world.tables.links.delete(link.spec.id);
    world.tables.changed();
    assert.throws(() => asked(host, once, bytes("in"), call), code("LINK_ABSENT"));
  });

  test("an immediate answer of a provider stays immediate", () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    world.link(actor, world.provider(store()));
    const call = {
      operation: "outer",
      payload: new Uint8Array(),
      deadline: performance.now() + 1_000,
      hops: 0,
      trace: undefined,
    };
    assert.ok(
      asked(
        dispatchOf(world).hostOf(actor, () => {}),
        site("wasmcloud:keyvalue", "Get"),
        bytes("in"),
        call,
      ) instanceof Uint8Array,
    );
  });

  test("actors of E3 and E4 call any actor by key and alias; those of E2 only actors whose key they claim, and themselves", async () => {
    const world = new FakeWorld();
    const [ponger, oldKey, oldClaimerKey] = [moduleKey(), moduleKey(), moduleKey()];
    world.actor({ key: ponger, name: "ponger", alias: "demo/ponger" }, () => bytes("pong"));
    const modern = world.actor({ key: counterKey, name: "pinger" });
    const old = world.actor({ key: oldKey, name: "old", era: "E2" }, () => bytes("myself"));
    const claimer = world.actor({ key: oldClaimerKey, name: "claimer", era: "E2", claims: [ponger] });
    const dispatch = dispatchOf(world);
    assert.equal(await ask(dispatch, modern, ponger), "pong");
    assert.equal(await ask(dispatch, modern, "demo/ponger", ""), "pong");
    await refuses(() => ask(dispatch, old, ponger), "ACTOR_CALL_REFUSED");
    assert.equal(await ask(dispatch, old, oldKey), "myself");
    assert.equal(await ask(dispatch, claimer, ponger), "pong");
    await refuses(() => ask(dispatch, modern, "demo/nobody"), "ALIAS_ABSENT");
    await refuses(() => ask(dispatch, modern, moduleKey()), "ACTOR_ABSENT");
  });

  test("a chain of calls ends at the hop limit", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "self" });
    const dispatch = dispatchOf(world);
    assert.equal(await ask(dispatch, actor, counterKey, "default", "Get", 2), "");
    await refuses(() => ask(dispatch, actor, counterKey, "default", "Get", 3), "HOPS_EXCEEDED");
  });

  test("a payload over the limit is refused before anybody sees it", async () => {
    const world = new FakeWorld();
    world.actor({ key: counterKey, name: "echo" }, () => assert.fail("it was called"));
    const call = localInvocation(
      { kind: "operator", name: "test" },
      { kind: "actor", key: counterKey },
      "Echo",
      new Uint8Array(1_001),
      performance.now() + 1_000,
      0,
      undefined,
    );
    await refuses(async () => dispatchOf(world).invoke(call), "PAYLOAD_TOO_LARGE");
  });

  test("unclaimed logging of an E4 actor is let through, counted and told once; a strict host refuses it", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "talker" });
    const log = world.provider({
      contractId: "wasmcloud:builtin:logging",
      name: "log",
      handle: () => new Uint8Array(),
    });
    world.tables.hostServices.set("wasmcloud:builtin:logging", log);
    const told: string[] = [];
    const dispatch = dispatchOf(world, {
      onUnclaimed: (placement, contract) => told.push(`${placement.origin.name} ${contract}`),
    });
    await ask(dispatch, actor, "wasmcloud:builtin:logging");
    await ask(dispatch, actor, "wasmcloud:builtin:logging");
    assert.deepEqual([dispatch.unclaimed, told], [2, ["talker wasmcloud:builtin:logging"]]);
    await refuses(() => ask(dispatchOf(world, { strict: true }), actor, "wasmcloud:builtin:logging"), "CLAIM_ABSENT");
    const old = world.actor({ key: moduleKey(), name: "old", era: "E2" });
    await refuses(() => ask(dispatch, old, "wascc:logging"), "CLAIM_ABSENT");
  });

  test("a provider that throws, rejects or answers no bytes fails behind its contract", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    const answers: (() => unknown)[] = [
      () => {
        throw new Error("disk on fire");
      },
      () => Promise.reject(new Error("disk on fire")),
      () => Promise.resolve("text"),
    ];
    const provider = world.provider({
      contractId: "wasmcloud:keyvalue",
      name: "broken",
      handle: () => answers[0]!() as Uint8Array,
    });
    const link = world.link(actor, provider);
    const dispatch = dispatchOf(world);
    await assert.rejects(ask(dispatch, actor, "wasmcloud:keyvalue"), /broken failed Get: disk on fire/);
    answers.shift();
    await refuses(() => ask(dispatch, actor, "wasmcloud:keyvalue"), "PROVIDER_FAILED");
    answers.shift();
    await refuses(() => ask(dispatch, actor, "wasmcloud:keyvalue"), "REPLY_MALFORMED");
    assert.deepEqual([link.calls, link.errors], [3, 3]);
  });

  test("a link's own deadline ends a provider call that takes too long", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    world.link(
      actor,
      world.provider({ contractId: "wasmcloud:keyvalue", name: "slow", handle: () => new Promise(() => {}) }),
      5,
    );
    await refuses(() => ask(dispatchOf(world), actor, "wasmcloud:keyvalue"), "DEADLINE_EXCEEDED");
  });

  test("a provider learns the deadline of its link, and what it answers later is dropped", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    let answer: (reply: Uint8Array) => void = () => {};
    let left = Number.NaN;
    const slow = {
      contractId: "wasmcloud:keyvalue",
      name: "slow",
      handle: ({ deadline }: ProviderCall) => {
        left = deadline - performance.now();
        return new Promise<Uint8Array>((resolve) => (answer = resolve));
      },
    };
    const link = world.link(actor, world.provider(slow), 40);
    await assert.rejects(ask(dispatchOf(world), actor, "wasmcloud:keyvalue"), /Get of slow did not answer in 40 ms/);
    assert.ok(left > 0 && left <= 40, `${left}`);
    answer(bytes("late"));
    assert.deepEqual([link.calls, link.errors], [1, 1]);
  });

  test("a link's deadline of a thousand years is none", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    const provider = {
      contractId: "wasmcloud:keyvalue",
      name: "store",
      handle: () => nextTurn(30, bytes("in time")),
    };
    world.link(actor, world.provider(provider), 1_000 * 365 * 86_400_000);
    assert.equal(await ask(dispatchOf(world), actor, "wasmcloud:keyvalue"), "in time");
  });

  test("a provider that never answers holds nobody beyond the deadline of the call", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
    const link = world.link(
      actor,
      world.provider({ contractId: "wasmcloud:keyvalue", name: "silent", handle: () => new Promise(() => {}) }),
    );
    const call = localInvocation(
      actor.origin,
      { kind: "contract", contractId: "wasmcloud:keyvalue", linkName: "default" },
      "Get",
      bytes("in"),
      performance.now() + 20,
      1,
      undefined,
    );
    await refuses(async () => dispatchOf(world).invoke(call), "DEADLINE_EXCEEDED");
    assert.equal(link.errors, 1);
  });

  test("a provider reads a call in the era of the guest that made it, also when its module was replaced meanwhile", async () => {
    const world = new FakeWorld();
    const old = world.actor({ key: counterKey, name: "counter", claims: ["wascc:keyvalue"], era: "E2" });
    const eras: string[] = [];
    const provider = {
      contractId: "wasmcloud:keyvalue",
      name: "store",
      handle: ({ era }: ProviderCall) => {
        eras.push(era);
        return bytes("");
      },
    };
    world.link(old, world.provider(provider));
    const updated = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"], era: "E4" });
    const dispatch = dispatchOf(world);
    await ask(dispatch, old, "wascc:keyvalue");
    await ask(dispatch, updated, "wasmcloud:keyvalue");
    assert.deepEqual(eras, ["E2", "E4"]);
  });

  test("a call in flight of a placement that has gone still reaches the host's services", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "talker", claims: ["wasmcloud:builtin:logging"] });
    const log = world.provider({
      contractId: "wasmcloud:builtin:logging",
      name: "log",
      handle: ({ link }) => bytes(link.linkedActor.name),
    });
    world.tables.hostServices.set("wasmcloud:builtin:logging", log);
    const dispatch = dispatchOf(world);
    world.tables.placements.delete(actor.spec.id);
    world.tables.changed();
    assert.equal(await ask(dispatch, actor, "wasmcloud:builtin:logging"), "talker");
  });

  test("a draining actor takes no new calls but those of chains that it is part of", async () => {
    const world = new FakeWorld();
    const actor = world.actor({ key: counterKey, name: "self" }, () => bytes("again"));
    actor.draining = true;
    const dispatch = dispatchOf(world);
    assert.equal(await ask(dispatch, actor, counterKey), "again");
    const fresh = localInvocation(
      { kind: "operator", name: "test" },
      { kind: "actor", key: counterKey },
      "Echo",
      bytes("in"),
      performance.now() + 1_000,
      0,
      undefined,
    );
    await refuses(async () => dispatch.invoke(fresh), "DRAINING");
  });

  test("a call that another engine passes on is checked as if it were made here", async () => {
    const world = new FakeWorld();
    const old = world.actor({ key: counterKey, name: "old", era: "E2" });
    const other = moduleKey();
    world.actor({ key: other, name: "other" }, () => assert.fail("it was called"));
    const call = localInvocation(
      old.origin,
      { kind: "actor", key: other },
      "Echo",
      bytes("in"),
      performance.now() + 1_000,
      1,
      undefined,
    );
    await refuses(async () => dispatchOf(world).invoke(call), "ACTOR_CALL_REFUSED");
  });

  test("an expired actor takes no more calls", async () => {
    const world = new FakeWorld();
    const row = world.actor({ key: counterKey, name: "old" });
    row.expired = true;
    await refuses(() => ask(dispatchOf(world), row, counterKey), "TOKEN_EXPIRED");
  });
});

describe("policy", () => {
  const world = new FakeWorld();
  const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
  world.link(actor, world.provider(store()));

  test("it can refuse what claims and links allow", async () => {
    const dispatch = dispatchOf(world, {
      policy: ({ action }) => (action === "perform_invocation" ? { deny: "closed today" } : { allow: true }),
    });
    await assert.rejects(
      ask(dispatch, actor, "wasmcloud:keyvalue"),
      /policy refuses Get on wasmcloud:keyvalue: closed today/,
    );
  });

  test("it cannot allow what they refuse, and is not even asked", async () => {
    const dispatch = dispatchOf(world, { policy: () => assert.fail("it was asked") });
    await refuses(() => ask(dispatch, actor, "wasmcloud:messaging"), "CLAIM_ABSENT");
  });

  test("one that decides at once costs no wait", () => {
    const dispatch = dispatchOf(world, { policy: () => ({ allow: true }) });
    const call = { operation: "outer", payload: new Uint8Array(), deadline: 1e9, hops: 0, trace: undefined };
    const host = dispatch.hostOf(actor, () => {});
    const answer = asked(host, site("wasmcloud:keyvalue", "Get"), bytes("in"), call);
    assert.ok(answer instanceof Uint8Array);
  });

  test("anything but a plain yes is a no", async () => {
    for (const decision of [undefined, null, {}, { allow: false }, "yes", { allow: true, deny: "but" }]) {
      for (const policy of [() => decision, () => Promise.resolve(decision)]) {
        const dispatch = dispatchOf(world, { policy: policy as unknown as Policy });
        await refuses(() => ask(dispatch, actor, "wasmcloud:keyvalue"), "POLICY_REFUSED");
      }
    }
  });

  test("one that never decides holds nobody beyond the deadline of the call", async () => {
    const dispatch = dispatchOf(world, { policy: () => new Promise(() => {}) });
    const call = localInvocation(
      actor.origin,
      { kind: "contract", contractId: "wasmcloud:keyvalue", linkName: "default" },
      "Get",
      bytes("in"),
      performance.now() + 20,
      1,
      undefined,
    );
    await refuses(async () => dispatch.invoke(call), "DEADLINE_EXCEEDED");
  });

  test("what was allowed goes to whoever answers by then", async () => {
    let decide: () => void = () => {};
    const policy = () =>
      new Promise<{ allow: true }>((resolve) => {
        decide = () => resolve({ allow: true });
      });
    const own = new FakeWorld();
    const caller = own.actor({ key: moduleKey(), name: "caller" });
    const key = moduleKey();
    const old = own.actor({ key, name: "old" }, () => assert.fail("the one that was replaced"));
    const reply = ask(dispatchOf(own, { policy }), caller, key);
    own.tables.placements.delete(old.spec.id);
    own.actor({ key, name: "new" }, () => bytes("new"));
    decide();
    assert.equal(await reply, "new");
  });

  test("a policy that throws refuses", async () => {
    const dispatch = dispatchOf(world, {
      policy: () => {
        throw new Error("no database");
      },
    });
    await refuses(() => ask(dispatch, actor, "wasmcloud:keyvalue"), "POLICY_REFUSED");
  });
});

/** Middleware that leaves its name on what passes it. */
const append = (name: string) => ({
  name,
  beforeProvider: ({ payload }: VerifiedInvocation) => ({ continue: bytes(`${text(payload)}>${name}`) }),
  afterProvider: (_: VerifiedInvocation, reply: Uint8Array) => bytes(`${text(reply)}<${name}`),
});

describe("middleware", () => {
  const world = new FakeWorld();
  const actor = world.actor({ key: counterKey, name: "counter", claims: ["wasmcloud:keyvalue"] });
  world.link(
    actor,
    world.provider({ contractId: "wasmcloud:keyvalue", name: "echo", handle: ({ payload }) => payload.slice() }),
  );

  test("before runs in order, after in reverse, around the provider", async () => {
    const dispatch = dispatchOf(world, { aroundProvider: compileMiddleware([append("a"), append("b")], "provider") });
    assert.equal(await ask(dispatch, actor, "wasmcloud:keyvalue"), "in>a>b<b<a");
  });

  test("one that halts answers in place of the provider, and only those it passed see the reply", async () => {
    const halt = { name: "cache", beforeProvider: () => ({ halt: bytes("cached") }) };
    const dispatch = dispatchOf(world, {
      aroundProvider: compileMiddleware([append("a"), halt, append("b")], "provider"),
    });
    assert.equal(await ask(dispatch, actor, "wasmcloud:keyvalue"), "cached<a");
  });

  test("one that fails or gives no step fails the call under its name", async () => {
    for (const before of [
      () => assert.fail("out of cheese"),
      () => undefined,
      () => ({ continue: "text" }),
      () => ({ halt: "text" }),
    ]) {
      const broken = { name: "taster", beforeProvider: before } as unknown as Middleware;
      const dispatch = dispatchOf(world, { aroundProvider: compileMiddleware([broken], "provider") });
      await assert.rejects(ask(dispatch, actor, "wasmcloud:keyvalue"), /middleware taster failed Get: /);
    }
    const broken = { name: "taster", afterProvider: () => "text" } as unknown as Middleware;
    const dispatch = dispatchOf(world, { aroundProvider: compileMiddleware([broken], "provider") });
    await assert.rejects(ask(dispatch, actor, "wasmcloud:keyvalue"), /middleware taster failed Get: /);
  });

  test("none of a side costs nothing: there is no chain to call", () => {
    assert.equal(compileMiddleware([append("a")], "actor"), undefined);
    assert.equal(compileMiddleware([], "provider"), undefined);
  });
});
