import assert from "node:assert/strict";
import { test } from "node:test";
import type { Host } from "../../host/index.ts";
import {
  actorEntity,
  type BusMessage,
  decodeInvocation,
  decodeResponse,
  encodeInvocation,
  encodeResponse,
  failureResponse,
  fail,
  InvocationSigner,
  InvocationVerifier,
  KeyPair,
  linkId,
  metadataBucket,
  providerEntity,
  Subjects,
  successResponse,
  type WireEntity,
  type WireInvocation,
} from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { JoinedHosts } from "../support/joined-hosts.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const contract = "wasmcloud:keyvalue";
const subjects = new Subjects("shop");

/** A host of 0.x in the world of ours: it signs with the cluster key and answers what it is given. */
class LegacyHost {
  readonly #world: JoinedHosts;
  readonly #signer: InvocationSigner;
  readonly #verifier: InvocationVerifier;
  readonly connection;
  readonly asked: WireInvocation[] = [];

  constructor(world: JoinedHosts, cluster: KeyPair = world.cluster) {
    this.#world = world;
    this.connection = world.connect();
    this.#signer = new InvocationSigner(cluster, KeyPair.generate("server").publicKey);
    this.#verifier = new InvocationVerifier({ issuers: [world.cluster.publicKey] });
  }

  async ask(subject: string, origin: WireEntity, target: WireEntity, operation: string, payload = "hello") {
    const invocation = this.#signer.sign({ origin, target, operation, payload: bytes(payload) });
    const reply = await this.connection.bus.request(subject, encodeInvocation(invocation), { timeoutMs: 5_000 });
    return decodeResponse(reply.payload, invocation);
  }

  serve(subject: string, queue: string, me: WireEntity, answer: (invocation: WireInvocation) => Uint8Array): void {
    const handle = (message: BusMessage) => {
      const invocation = decodeInvocation(message.payload);
      try {
        this.asked.push(this.#verifier.prove(this.#verifier.check(invocation, me)));
        message.respond(encodeResponse(successResponse(invocation.id, answer(invocation))));
      } catch (error) {
        message.respond(encodeResponse(failureResponse(invocation.id, error as ReturnType<typeof fail>)));
      }
    };
    this.connection.bus.subscribe(subject, handle, { queue });
  }

  /** As a client of 0.x puts a link: by writing it into the bucket. */
  async link(actor: string, provider: string): Promise<void> {
    const id = linkId({ actor, contractId: contract, linkName: "default" });
    const fields = { id, actor_id: actor, provider_id: provider, link_name: "default", contract_id: contract };
    const state = this.#world.server.states.open(metadataBucket("shop"));
    await state.put(`LINKDEF_${id}`, bytes(JSON.stringify({ ...fields, values: {} })));
  }
}

const linked = (host: Host) => until(() => host.wanted.links.size === 1);

test("a provider of 0.x calls the actors that are linked to it, and no others", async () => {
  await using world = new JoinedHosts();
  const host = await world.join();
  const legacy = new LegacyHost(world);
  const provider = KeyPair.generate("service").publicKey;
  const actor = await host.startActor(edgeActor({ name: "linked" }));
  const subject = subjects.write("actorRpc", { actor: actor.id });
  const origin = providerEntity(provider, contract, "default");
  const refused = await legacy.ask(subject, origin, actorEntity(actor.id), "Echo");
  assert.match(refused.error ?? "", /missing link definition/);
  assert.deepEqual([refused.payload.length, refused.contentLength], [0, 0]);
  await legacy.link(actor.id, provider);
  await linked(host);
  const { error, payload, contentLength } = await legacy.ask(subject, origin, actorEntity(actor.id), "Echo");
  assert.deepEqual([error, text(payload), contentLength], [undefined, "hello", 5]);
});

test("an actor of a 0.x host calls actors here, and the providers here that it is linked to", async () => {
  await using world = new JoinedHosts();
  const host = await world.join();
  const legacy = new LegacyHost(world);
  const caller = KeyPair.generate("module").publicKey;
  const target = await host.startActor(edgeActor({ name: "target" }));
  const { publicKey: key } = KeyPair.generate("service");
  const origins: string[] = [];
  await host.startProvider({
    contractId: contract,
    name: "store",
    key,
    handle: ({ origin }) => {
      origins.push(origin.kind === "actor" ? origin.key : origin.kind);
      return bytes("stored");
    },
  });
  const toActor = subjects.write("actorRpc", { actor: target.id });
  assert.equal(text((await legacy.ask(toActor, actorEntity(caller), actorEntity(target.id), "Echo")).payload), "hello");
  const me = providerEntity(key, contract, "default");
  const toProvider = subjects.write("providerRpc", { provider: key, linkName: "default" });
  const refused = await legacy.ask(toProvider, actorEntity(caller), me, "KeyValue.Get");
  assert.match(refused.error ?? "", /missing link definition/);
  await legacy.link(caller, key);
  await linked(host);
  assert.equal(text((await legacy.ask(toProvider, actorEntity(caller), me, "KeyValue.Get")).payload), "stored");
  assert.deepEqual(origins, [caller]);
});

test("an actor here calls a provider of a 0.x host: signed, its answer and its error come back", async () => {
  await using world = new JoinedHosts();
  const host = await world.join();
  const legacy = new LegacyHost(world);
  const provider = KeyPair.generate("service").publicKey;
  const actor = await host.startActor(edgeActor({ name: "asker" }));
  await legacy.link(actor.id, provider);
  await linked(host);
  const get = (operation = "Get") => host.call(actor, "Call", askHost(contract, operation, "in")).then(text);
  assert.match(await get(), new RegExp(`no host of lattice shop runs provider ${provider}`));
  const me = providerEntity(provider, contract, "default");
  legacy.serve(
    subjects.write("providerRpc", { provider, linkName: "default" }),
    "rpc",
    me,
    ({ operation, payload }) => {
      if (operation === "Fail") throw fail("STORE_FULL", "it", 3);
      return bytes(`${operation} ${text(payload)}`);
    },
  );
  assert.equal(await get(), "Get in");
  assert.equal(legacy.asked[0]?.origin.publicKey, actor.id);
  assert.equal(legacy.asked[0]?.contentLength, 2);
  assert.match(await get("Fail"), /it is full/);
});

test("an actor here calls one of a 0.x host by key and by the call alias that its claims tell", async () => {
  await using world = new JoinedHosts();
  const host = await world.join();
  const legacy = new LegacyHost(world);
  const target = KeyPair.generate("module").publicKey;
  const actor = await host.startActor(edgeActor({ name: "asker" }));
  const subject = subjects.write("actorRpc", { actor: target });
  legacy.serve(subject, subject, actorEntity(target), ({ payload }) => bytes(`legacy ${text(payload)}`));
  const ask = (whom: string) => host.call(actor, "Call", askHost(whom, "Echo", "hello", "")).then(text);
  assert.equal(await ask(target), "legacy hello");
  assert.match(await ask("old/ponger"), /Call alias not found/);
  await host.fleet.apply({ type: "put-aliases", aliases: { "old/ponger": target } });
  assert.equal(await ask("old/ponger"), "legacy hello");
});

test("a client that is neither actor nor provider may call actors, as `wash call` does, but no provider", async () => {
  await using world = new JoinedHosts();
  const host = await world.join();
  const legacy = new LegacyHost(world);
  const target = await host.startActor(edgeActor({ name: "target" }));
  const wash = actorEntity("__WASH__");
  const subject = subjects.write("actorRpc", { actor: target.id });
  assert.equal(text((await legacy.ask(subject, wash, actorEntity(target.id), "Echo")).payload), "hello");
  const stranger = new LegacyHost(world, KeyPair.generate("cluster"));
  const refused = await stranger.ask(subject, wash, actorEntity(target.id), "Echo");
  assert.match(refused.error ?? "", /not in the list of cluster issuers/);
});
