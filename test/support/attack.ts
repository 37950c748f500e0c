import assert from "node:assert/strict";
import type { Provider } from "../../capabilities/index.ts";
import { type Host, startHost } from "../../host/index.ts";
import { inventory, snapshot } from "../../host/inventory.ts";
import { commands } from "../../host/membership/commands.ts";
import { signatureHeader } from "../../host/membership/presence-message.ts";
import { verbsOf } from "../../host/verbs.ts";
import {
  actorEntity,
  configurationBucket,
  encodeInvocation,
  InvocationSigner,
  KeyPair,
  type LatticeConnection,
  metadataBucket,
  type ParsedSubject,
  providerEntity,
  Subjects,
  type WireEntity,
} from "../../lattice/index.ts";
import { edgeActor } from "./edge.ts";
import { hostileFamilies, type HostileMessage, hostileMessages } from "./hostile-messages.ts";
import { until } from "./until.ts";

const lattice = "shop";
const subjects = new Subjects(lattice);
const store: Provider = {
  contractId: "wasmcloud:keyvalue",
  name: "store",
  key: KeyPair.generate("service").publicKey,
  handle: () => new Uint8Array(),
};
const policyService = { topic: "policy.ask", changesTopic: "policy.changes", timeoutMs: 20_000 };
/** Longest wait for an answer, on a busy machine too. */
const patienceMs = 60_000;
/** Messages that wait for their answers at the same time. */
const atOnce = 20;

/** Bodies without parameters: some verbs need none, so these are good messages. */
const noParameters: ReadonlySet<string> = new Set(["", "{}", "null"]);

/** A signature of nobody. */
const unsigned = new Map([[signatureHeader, [Buffer.alloc(64, 1).toString("base64url")]]]);

/** Where a bad message has no answer: only willing hosts bid, and nothing is told to who proves nothing. */
const silent: ReadonlySet<string> = new Set<ParsedSubject["kind"]>([
  "auctionActor",
  "auctionProvider",
  "presence",
  "askPresence",
  "actorRpc",
  "providerRpc",
  "directed",
]);

/** A way into a lattice for the host under attack, and one for who attacks. */
export interface Ways {
  readonly connection: LatticeConnection;
  readonly client: LatticeConnection;
}

/**
 * A host with an actor, a provider and a link, and `total` hostile messages on every subject that it listens to:
 * afterwards everything stands as it did, and each message was counted.
 */
export async function attackEverySubject({ connection, client }: Ways, total: number): Promise<void> {
  const patterns = listen(connection);
  permitAll(client);
  await client.bus.flush();
  const cluster = KeyPair.generate("cluster");
  await using host = await startHost({
    lattice,
    connection,
    policyService,
    clusterSeed: cluster.seed,
    logLevel: "silent",
  });
  const target = await host.startActor(edgeActor({ name: "target" }));
  const handle = await host.startProvider(store);
  await host.link(target, handle, { values: { deadline: "5s" } });
  const { bus } = client;
  await until(() => patterns.has(subjects.write("actorRpc", { actor: target.id })), patienceMs);
  await connection.bus.flush();
  const actor = actorEntity(target.id);

  // A good one, so that it can be sent again.
  const good = new InvocationSigner(cluster, KeyPair.generate("server").publicKey).sign({
    origin: actorEntity(KeyPair.generate("module").publicKey),
    target: actor,
    operation: "Echo",
    payload: Buffer.from("once"),
  });
  const recorded = [encodeInvocation(good)];
  await bus.request(subjects.write("actorRpc", { actor: target.id }), recorded[0]!, { timeoutMs: patienceMs });
  await until(async () => (await served(host)) === 1);

  await client.state(configurationBucket(lattice)).put(`${target.id}_name`, Buffer.from("kept"));
  const before = await stateOf(host, client);
  const places = [...patterns].flatMap((pattern) => concrete(pattern, host, target.id));
  assert.ok(places.length > 60, `${places.length} subjects`);
  assert.ok(places.includes(policyService.changesTopic));
  const noise = new Map<WireEntity, Generator<HostileMessage, never>>();
  const next = (me: WireEntity) => {
    const known = noise.get(me) ?? hostileMessages({ seed: 12, target: me, lattice, cluster, recorded });
    noise.set(me, known);
    return known.next().value;
  };
  const provider = providerEntity(handle.id, store.contractId, "default");
  const counted = await refusals(host);
  const families = new Set<string>();
  let expected = 0;
  let perhaps = 0;
  const waiting: Promise<void>[] = [];
  const isRefused = async (subject: string, payload: Uint8Array): Promise<void> => {
    const answer = await bus.request(subject, payload, { timeoutMs: patienceMs });
    if (refusedIn(answer.payload)) expected++;
  };
  for (let sent = 0; sent < total; sent++) {
    if (waiting.length === atOnce) await Promise.all(waiting.splice(0));
    const subject = places[sent % places.length]!;
    const kind = subjects.parse(subject)?.kind;
    const { family, payload: whole } = next(kind === "providerRpc" ? provider : actor);
    families.add(family);
    const payload = whole.subarray(0, bus.maxPayloadBytes);
    if (kind === "verb" && noParameters.has(Buffer.from(payload).toString())) continue;
    if (subject === policyService.changesTopic || (kind !== undefined && silent.has(kind))) {
      bus.publish(subject, payload, kind === "presence" ? { headers: unsigned } : {});
      if (kind?.startsWith("auction") && family === "wrong types") perhaps++;
      else if (kind !== "askPresence") expected++;
    } else waiting.push(isRefused(subject, payload));
  }
  await Promise.all(waiting);
  await bus.flush();
  assert.deepEqual([...families].toSorted(), [...hostileFamilies].toSorted());
  await until(async () => (await refusals(host)) - counted >= expected, patienceMs);
  const found = (await refusals(host)) - counted;
  assert.ok(found <= expected + perhaps, `${found} were counted, ${expected} to ${expected + perhaps} were refused`);
  assert.ok(found > total / 2, `only ${found} of ${total} were refused`);
  assert.equal(await served(host), 1, "no hostile message was taken for a call");
  assert.equal(host.state, "running");
  assert.deepEqual(await stateOf(host, client), before);
  assert.equal(Buffer.from(await host.call(target, "Echo", Buffer.from("well"))).toString(), "well");
}

/** The patterns that are listened to over a connection, as they come. */
function listen({ bus }: LatticeConnection): Set<string> {
  const patterns = new Set<string>();
  const subscribe = bus.subscribe.bind(bus);
  bus.subscribe = (pattern, handler, options) => {
    if (!pattern.startsWith("_INBOX")) patterns.add(pattern);
    return subscribe(pattern, handler, options);
  };
  return patterns;
}

/** Subjects that fit a pattern: all that the host knows, and one that nobody does. */
function concrete(pattern: string, host: Host, actor: string): readonly string[] {
  if (!/[*>]$/.test(pattern)) return [pattern];
  const begin = pattern.slice(0, -1);
  const ends = (): readonly string[] => {
    if (begin.includes(".cmd.")) return Object.keys(commands);
    if (begin.startsWith("wasmlattice.ctl.")) return Object.keys(verbsOf(host));
    if (begin.endsWith(".auction.")) return ["actor", "provider"];
    if (begin.includes(".labels.") || begin.endsWith(".linkdefs.")) return ["put", "del"];
    if (begin.endsWith(".get.config.")) return [actor, `${actor}.name`, "nobody.name"];
    if (begin.endsWith(".config."))
      // Of an actor every value is a good one.
      return ["put.nobody.name", "del.nobody.name", "del.nobody", "clear.nobody"];
    if (begin.endsWith(".get.")) return ["claims", "links"];
    throw new Error(`nothing is known of ${pattern}`);
  };
  return [...ends(), "unheard-of"].map((end) => begin + end);
}

function refusedIn(payload: Uint8Array): boolean {
  const answer = JSON.parse(Buffer.from(payload).toString()) as { accepted?: boolean; success?: boolean };
  return answer.accepted === false || answer.success === false;
}

async function refusals(host: Host): Promise<number> {
  const { remote } = await snapshot(host);
  return Object.values(remote?.refused ?? {}).reduce((sum, count) => sum + count, 0);
}

async function served(host: Host): Promise<number> {
  const { remote } = await snapshot(host);
  return (remote?.served.session ?? 0) + (remote?.served.wasmcloud ?? 0);
}

/** A policy service that permits everything. */
function permitAll({ bus }: LatticeConnection): void {
  bus.subscribe(policyService.topic, (message) => {
    const { requestId } = JSON.parse(Buffer.from(message.payload).toString()) as { requestId: string };
    message.respond(Buffer.from(JSON.stringify({ requestId, permitted: true, message: "" })));
  });
}

/** All that a message could have changed and that stays as it is by itself. */
async function stateOf(host: Host, client: LatticeConnection): Promise<unknown> {
  const { actors, providers, labels } = await inventory(host);
  const buckets = [metadataBucket(lattice), configurationBucket(lattice)];
  const stored = (await Promise.all(buckets.map((bucket) => client.state(bucket).list("*")))).flat();
  return {
    labels,
    actors: actors.map(({ id, instances }) => [id, instances.map((each) => [each.instance_id, each.max_instances])]),
    providers: providers.map(({ id, link_name, links, state }) => [id, link_name, links, state]),
    links: [...host.wanted.links.values()].map(({ spec }) => spec),
    stored: stored.map((entry) => [entry.key, Buffer.from(entry.value).toString()]),
    peers: host.member?.peers.length,
  };
}
