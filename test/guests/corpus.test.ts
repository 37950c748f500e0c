import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { examples } from "../../actors/examples/build.mjs";
import { repository } from "../../actors/examples/toolchains.mjs";
import { ActorModule } from "../../actors/index.ts";
import { cannedAnswer, conversation, corpus, guestBytes } from "../support/guest-corpus.ts";
import type { CorpusGuest } from "../support/guest-corpus.ts";
import { replay } from "../support/wapc-replay.ts";
import type { HostCall } from "../support/wapc-replay.ts";

interface Vector {
  readonly guests: readonly string[];
  readonly operation: string;
  readonly request: string;
  /** Names and payload of the one host call, and what it is answered. */
  readonly call?: readonly [contract: string, operation: string, payload: string, reply: string];
  readonly reply: string;
}

const mapRequest = "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400";
const mapReply =
  "84aa737461747573436f6465ccc8a6737461747573a24f4ba668656164657280a4626f6479c40d7b22636f756e746572223a357d";

// Source: waPC and actors reference, section 16.
const vectors: readonly Vector[] = [
  {
    guests: ["e0-counter", "e0-four", "e0-six"],
    operation: "HandleRequest",
    request: "0a0347455412022f61",
    call: ["wascc:keyvalue", "Add", "0a023a611001", "0805"],
    reply: "08c80112024f4b220d7b22636f756e746572223a357d",
  },
  {
    guests: ["e1-six", "e1-eight"],
    operation: "HandleRequest",
    request: "95a3474554a22f61a08090",
    call: ["wascc:keyvalue", "Add", "92a23a6101", "9105"],
    reply: "94ccc8a24f4b809d7b22636f756e746572223a357d",
  },
  {
    guests: ["hybrid"],
    operation: "HandleRequest",
    request: "95a3474554a22f61a08090",
    call: ["wascc:keyvalue", "Add", "82a36b6579a23a61a576616c756501", "9105"],
    reply: "84ab7374617475735f636f6465ccc8a6737461747573a24f4ba668656164657280a4626f64799d7b22636f756e746572223a357d",
  },
  {
    guests: ["e2"],
    operation: "HandleRequest",
    request: mapRequest,
    call: ["wascc:keyvalue", "Add", "82a36b6579a23a61a576616c756501", "81a576616c756505"],
    reply: mapReply,
  },
  {
    guests: ["e2-assemblyscript"],
    operation: "HandleRequest",
    request: mapRequest,
    call: ["wascc:keyvalue", "Add", "82a36b6579a23a61a576616c75650100", "81a576616c756505"],
    reply: `${mapReply}00`,
  },
  {
    guests: ["e3"],
    operation: "HandleRequest",
    request: mapRequest,
    call: ["wasmcloud:keyvalue", "Add", "82a36b6579a23a61a576616c756501", "81a576616c756505"],
    reply: mapReply,
  },
  { guests: ["e2"], operation: "HealthRequest", request: "81ab706c616365686f6c646572c2", reply: "c0" },
  {
    guests: ["e3"],
    operation: "HealthRequest",
    request: "81ab706c616365686f6c646572c2",
    reply: "82a76865616c746879c3a76d657373616765a0",
  },
  {
    guests: ["e4-2021"],
    operation: "HttpServer.HandleRequest",
    request: mapRequest,
    call: ["wasmcloud:keyvalue", "KeyValue.Increment", "82a36b6579a23a61a576616c756501", "05"],
    reply: "83a4626f6479c40d7b22636f756e746572223a357da668656164657280aa737461747573436f6465ccc8",
  },
  { guests: ["e4"], operation: "Actor.HealthRequest", request: "80", reply: "81a76865616c746879c3" },
  { guests: ["e3"], operation: "Ping", request: "81a576616c75650b", reply: "81a576616c756535" },
];

const hex = (text: string) => Buffer.from(text, "hex");

for (const { guests, operation, request, call, reply } of vectors) {
  for (const name of guests) {
    test(`${name} answers ${operation} byte for byte as recorded`, () => {
      const heard: HostCall[] = [];
      let said = "";
      replay(
        guestBytes(name),
        [{ operation, payload: hex(request) }],
        (made) => (heard.push(made), hex(call?.[3] ?? "")),
        (bytes) => (said = Buffer.from(bytes).toString("hex")),
      );
      const seen = heard.map((made) => [made.contract, made.operation, Buffer.from(made.payload).toString("hex")]);
      assert.deepEqual(seen, call === undefined ? [] : [call.slice(0, 3)]);
      assert.equal(said, reply);
    });
  }
}

const waScc = ["Add", "Get", "Set", "Del", "Clear", "Range", "Push", "ListItemDelete", "SetAdd", "SetRemove"];
const waSccSets = ["SetUnion", "SetIntersection", "SetQuery", "KeyExists"];
const weld = ["Increment", "Contains", "Get", "Set", "Del", "ListAdd", "ListDel", "ListClear", "ListRange"];
const weldSets = ["SetAdd", "SetDel", "SetUnion", "SetIntersection", "SetQuery", "SetClear"];

/** The operations of section 11 that a driver of an era must reach through its host. */
function wanted({ era, drives }: CorpusGuest): string[] {
  const named = (service: string, operations: readonly string[]) =>
    era === "E4" ? operations.map((operation) => `${service}.${operation}`) : operations;
  const operations: Record<string, readonly string[]> = {
    keyvalue: named("KeyValue", era === "E4" ? [...weld, ...weldSets] : [...waScc, ...waSccSets]),
    messaging: named("Messaging", ["Publish", "Request"]),
    logging: era === "E0" ? [] : named("Logging", ["WriteLog"]),
    numbers:
      era === "E4"
        ? ["NumberGen.GenerateGuid", "NumberGen.Random32", "NumberGen.RandomInRange"]
        : ["RequestGuid", "RequestSequence", "RequestRandom"],
  };
  return drives.flatMap((capability) => operations[capability] ?? []);
}

for (const guest of corpus.guests.filter(({ drives }) => drives.length > 1)) {
  test(`${guest.name} reaches every operation of ${guest.drives.join(", ")}`, () => {
    const answer = cannedAnswer(guest.era);
    const reached = new Set<string>();
    const transcripts = replay(guestBytes(guest), conversation(guest), (call) => {
      reached.add(call.operation);
      return answer(call);
    });
    const missed = wanted(guest).filter((operation) => !reached.has(operation));
    assert.deepEqual(missed, []);
    assert.deepEqual(
      transcripts.filter(({ outcome }) => outcome.startsWith("trap")),
      [],
    );
  });
}

for (const guest of corpus.guests) {
  test(`${guest.name} is what the list says: era ${guest.era}, signed by the demonstration account`, () => {
    const { claims, era } = ActorModule.fromBytes(guestBytes(guest), { name: guest.file });
    assert.equal(claims.issuer, corpus.account);
    assert.equal(claims.key, guest.module);
    assert.deepEqual(claims.capabilities, guest.claims);
    assert.equal(claims.portableProvider, guest.portable_provider ?? false);
    assert.equal(claims.callAlias, guest.call_alias);
    assert.equal(claims.shape, guest.token?.shape ?? "full");
    assert.equal(era, guest.era);
  });
}

test("the examples are signed by one account with the claims that their list names", () => {
  const { account, examples: list } = examples();
  for (const example of list) {
    const { claims, era } = ActorModule.fromBytes(readFileSync(exampleFile(example.file)), { name: example.file });
    assert.equal(claims.issuer, account);
    assert.equal(claims.key, example.module);
    assert.deepEqual(claims.capabilities, example.claims);
    assert.equal(claims.callAlias, example.call_alias);
    assert.equal(era, example.era);
  }
});

test("no committed module holds a path of the machine it was built on, and all are small", () => {
  const files = [
    ...examples().examples.map(({ file }) => exampleFile(file)),
    ...corpus.guests.map(({ file }) => join(import.meta.dirname, file)),
  ];
  let total = 0;
  for (const file of files) {
    const bytes = readFileSync(file);
    total += bytes.length;
    assert.doesNotMatch(bytes.toString("latin1"), /\/(?:root|home|Users|work|tmp)\//, file);
  }
  assert.ok(total < 3 << 20, `${total} bytes`);
});

function exampleFile(file: string): string {
  return join(repository, "actors/examples", file);
}
