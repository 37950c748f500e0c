import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { type KeyvalueStore, type Provider, keyvalueProvider, memoryKeyvalue } from "../../capabilities/index.ts";
import { operations } from "../../capabilities/keyvalue/operations.ts";
import { MemoryStore } from "../../capabilities/keyvalue-memory/store.ts";
import { type Era, isLatticeError } from "../../lattice/index.ts";
import { ask, bytes, fakeCall, hex } from "../support/capabilities.ts";

type Row = [era: Era, operation: string, request: string, reply: string];

/** Calls in order on one store per era. Source: waPC and actors reference, sections 11.3 and 16. */
const rows: Row[] = [
  ["E0", "Set", "0a016b 120176", "0a0176"],
  ["E0", "Get", "0a016b", "0a0176 1001"],
  ["E0", "Get", "0a0178", ""],
  ["E0", "KeyExists", "0a016b", "1001"],
  ["E0", "Del", "0a016b", "0a016b"],
  ["E0", "Add", "0a0163 1007", "0807"],
  ["E0", "Add", "0a0163 10f8ffffffffffffffff01", "08ffffffffffffffffff01"],
  ["E0", "Push", "0a016c 120161", "0801"],
  ["E0", "Push", "0a016c 120162", "0802"],
  ["E0", "Range", "0a016c 18ffffffffffffffffff01", "0a0161 0a0162"],
  ["E0", "ListItemDelete", "0a016c 120161", "0801"],
  ["E0", "Clear", "0a016c", ""],
  ["E0", "SetAdd", "0a0173 120161", "0801"],
  ["E0", "SetAdd", "0a0174 120161", "0801"],
  ["E0", "SetUnion", "0a0173 0a0174", "0a0161"],
  ["E0", "SetIntersection", "0a0173 0a0174", "0a0161"],
  ["E0", "SetQuery", "0a0173", "0a0161"],
  ["E0", "SetRemove", "0a0173 120161", ""],
  ["E2", "Set", "83a36b6579a16ba576616c7565a176a76578706972657300", "81a576616c7565a176"],
  ["E2", "Set", "83a36b6579a16ba576616c7565a176a9657870697265735f7300", "81a576616c7565a176"],
  ["E2", "Get", "81a36b6579a16b", "82a576616c7565a176a6657869737473c3"],
  ["E2", "Get", "81a36b6579a178", "82a576616c7565a0a6657869737473c2"],
  ["E2", "KeyExists", "81a36b6579a16b", "82a576616c7565a0a6657869737473c3"],
  ["E2", "Del", "81a36b6579a16b", "81a36b6579a16b"],
  ["E2", "Add", "82a36b6579a163a576616c7565cd012c", "81a576616c7565cd012c"],
  ["E2", "Add", "82a36b6579a163a576616c7565d1fed3", "81a576616c7565ff"],
  ["E2", "Push", "82a36b6579a16ca576616c7565a161", "82a86e6577436f756e7401a96e65775f636f756e7401"],
  ["E2", "Push", "82a36b6579a16ca576616c7565a162", "82a86e6577436f756e7402a96e65775f636f756e7402"],
  ["E2", "Range", "83a36b6579a16ca5737461727400a473746f70ff", "81a676616c75657392a161a162"],
  ["E2", "ListItemDelete", "82a36b6579a16ca576616c7565a161", "82a86e6577436f756e7401a96e65775f636f756e7401"],
  ["E2", "Clear", "81a36b6579a16c", "83a86e6577436f756e7400a96e65775f636f756e7400a36b6579a16c"],
  ["E2", "SetAdd", "82a36b6579a173a576616c7565a161", "82a86e6577436f756e7401a96e65775f636f756e7401"],
  ["E2", "SetAdd", "82a36b6579a174a576616c7565a161", "82a86e6577436f756e7401a96e65775f636f756e7401"],
  ["E2", "SetRemove", "82a36b6579a174a576616c7565a178", "82a86e6577436f756e7401a96e65775f636f756e7401"],
  ["E2", "SetUnion", "81a46b65797392a173a174", "81a676616c75657391a161"],
  ["E2", "SetIntersection", "81a46b65797392a173a174", "81a676616c75657391a161"],
  ["E2", "SetQuery", "81a36b6579a173", "81a676616c75657391a161"],
  ["E1", "Set", "93a16ba17600", "91a176"],
  ["E1", "Get", "91a16b", "92a176c3"],
  ["E1", "KeyExists", "91a16b", "92a0c3"],
  ["E1", "Del", "91a16b", "91a16b"],
  ["E1", "Add", "92a16301", "9101"],
  ["E1", "Push", "92a16ca161", "9101"],
  ["E1", "Push", "92a16ca162", "9102"],
  ["E1", "Range", "93a16c00ff", "9192a161a162"],
  ["E1", "ListItemDelete", "92a16ca161", "9101"],
  ["E1", "Clear", "91a16c", "9100"],
  ["E1", "SetAdd", "92a173a161", "9101"],
  ["E1", "SetAdd", "92a173a162", "9102"],
  ["E1", "SetRemove", "92a173a162", "9101"],
  ["E1", "SetUnion", "9192a173a174", "9191a161"],
  ["E1", "SetIntersection", "9192a173a173", "9191a161"],
  ["E1", "SetQuery", "91a173", "9191a161"],
  ["E4", "KeyValue.Increment", "82a36b6579a163a576616c756505", "05"],
  ["E4", "KeyValue.Contains", "a163", "c3"],
  ["E4", "KeyValue.Get", "a163", "82a576616c7565a135a6657869737473c3"],
  ["E4", "KeyValue.Get", "a178", "82a576616c7565a0a6657869737473c2"],
  ["E4", "KeyValue.Set", "83a36b6579a16ba576616c7565a176a765787069726573ceee6b2800", ""],
  ["E4", "KeyValue.Del", "a16b", "c3"],
  ["E4", "KeyValue.Del", "a16b", "c2"],
  ["E4", "KeyValue.ListAdd", "82a86c6973744e616d65a16ca576616c7565a161", "01"],
  ["E4", "KeyValue.ListAdd", "82a86c6973744e616d65a16ca576616c7565a161", "02"],
  ["E4", "KeyValue.ListRange", "83a86c6973744e616d65a16ca5737461727400a473746f7005", "92a161a161"],
  ["E4", "KeyValue.ListDel", "82a86c6973744e616d65a16ca576616c7565a161", "c3"],
  ["E4", "KeyValue.ListRange", "83a86c6973744e616d65a16ca5737461727400a473746f7005", "91a161"],
  ["E4", "KeyValue.ListDel", "82a86c6973744e616d65a16ca576616c7565a178", "c2"],
  ["E4", "KeyValue.ListClear", "a16c", "c3"],
  ["E4", "KeyValue.SetAdd", "82a77365744e616d65a173a576616c7565a161", "01"],
  ["E4", "KeyValue.SetAdd", "82a77365744e616d65a173a576616c7565a161", "00"],
  ["E4", "KeyValue.SetAdd", "82a77365744e616d65a174a576616c7565a161", "01"],
  ["E4", "KeyValue.SetUnion", "92a173a174", "91a161"],
  ["E4", "KeyValue.SetIntersection", "92a173a174", "91a161"],
  ["E4", "KeyValue.SetQuery", "a173", "91a161"],
  ["E4", "KeyValue.SetDel", "82a77365744e616d65a173a576616c7565a161", "01"],
  ["E4", "KeyValue.SetDel", "82a77365744e616d65a173a576616c7565a161", "00"],
  ["E4", "KeyValue.SetClear", "a174", "c3"],
  ["E4", "KeyValue.SetClear", "a174", "c2"],
];

test("every operation of every era, byte for byte", async () => {
  const stores = new Map<Era, Provider>();
  for (const [era, operation, request, reply] of rows) {
    const provider = stores.get(era) ?? memoryKeyvalue();
    stores.set(era, provider);
    assert.equal(
      await ask(provider, era, operation, request),
      reply.replaceAll(" ", ""),
      `${era} ${operation} ${request}`,
    );
  }
});

test("no operation of the contract is missing from those rows", () => {
  const named = new Set(rows.map(([, operation]) => operation));
  assert.deepEqual(
    [...operations.keys()].filter((operation) => !named.has(operation)),
    [],
  );
});

test("E3 reads the same bytes as E2 and gets the same answers", async () => {
  const provider = memoryKeyvalue();
  for (const [era, operation, request, reply] of rows) {
    if (era === "E2") assert.equal(await ask(provider, "E3", operation, request), reply);
  }
});

function counterAt4(): Provider {
  const provider = memoryKeyvalue();
  for (const key of ["counter::a", ":a"]) provider.store.set(key, "4", 0);
  return provider;
}

test("the verified vectors of real counters", async () => {
  assert.equal(
    await ask(counterAt4(), "E4", "KeyValue.Increment", "82a36b6579aa636f756e7465723a3a61a576616c756501"),
    "05",
  );
  assert.equal(await ask(counterAt4(), "E2", "Add", "82a36b6579a23a61a576616c756501"), "81a576616c756505");
  assert.equal(await ask(counterAt4(), "E3", "Add", "82a36b6579a23a61a576616c756501"), "81a576616c756505");
  assert.equal(await ask(counterAt4(), "E1", "Add", "92a23a6101"), "9105");
  assert.equal(await ask(counterAt4(), "E0", "Add", "0a023a61 1001"), "0805");
});

test("what guests send otherwise than agreed is understood", async () => {
  const provider = memoryKeyvalue();
  const understood: [Era, string, string, string][] = [
    ["E4", "KeyValue.ListAdd", "82a96c6973745f6e616d65a16ca576616c7565a161", "01"], // snake_case
    ["E4", "KeyValue.ListAdd", "92a16ca162", "02"], // array
    ["E1", "Set", "83a36b6579a16ba576616c7565a176a9657870697265735f7300", "91a176"], // map, reply as the era's
    ["E2", "Get", "91a16b", "82a576616c7565a176a6657869737473c3"], // array
    ["E2", "Get", "82a36b6579a16ba56f7468657281a17893010203", "82a576616c7565a176a6657869737473c3"], // unknown field
    ["E2", "Get", "82 2a c0 a36b6579a16b", "82a576616c7565a176a6657869737473c3"], // a key that is no text
    ["E2", "Get", "81a36b6579a16b00", "82a576616c7565a176a6657869737473c3"], // AssemblyScript's extra byte
    ["E2", "Get", "81a36b6579c4016b", "82a576616c7565a176a6657869737473c3"], // bytes for text
    ["E2", "Get", "81a36b6579916b", "82a576616c7565a176a6657869737473c3"], // integers for text
    ["E2", "Set", "82a36b6579a16ba576616c75652a", "81a576616c7565a23432"], // a number for text
    ["E2", "Add", "81a36b6579a163", "81a576616c756500"], // no value
    ["E2", "Add", "82a36b6579a163a576616c7565cb4008000000000000", "81a576616c756503"], // float64
    ["E4", "KeyValue.Get", "81a36b6579a163", "82a576616c7565a133a6657869737473c3"], // wrapped after all
    ["E4", "KeyValue.Get", "c1a163", "82a576616c7565a133a6657869737473c3"], // marked as MessagePack
    ["E4", "KeyValue.SetUnion", "81a46b65797391a173", "90"], // wrapped list
  ];
  for (const [era, operation, request, reply] of understood) {
    assert.equal(await ask(provider, era, operation, request), reply, `${era} ${operation} ${request}`);
  }
});

test("a payload that cannot be read is refused, naming the operation", () => {
  const provider = memoryKeyvalue();
  const broken: [Era, string, string][] = [
    ["E2", "Add", "82a36b6579"],
    ["E2", "Add", "82a36b6579a163a576616c7565a161"],
    ["E2", "Add", "82a36b6579a163a576616c7565cf0000000100000000"],
    ["E2", "Get", "deffff"],
    ["E2", "Get", "ddffffffff"],
    ["E2", "SetUnion", "81a46b657973ddffffffff"],
    ["E2", "Push", "82a36b6579a16ca576616c7565c401ff"],
    ["E2", "Set", "83a36b6579a16ba576616c7565a176a765787069726573ff"],
    ["E4", "KeyValue.Get", "c7"],
    ["E0", "Get", "0aff01"],
    ["E0", "Get", "0b"],
  ];
  for (const [era, operation, request] of broken) {
    assert.throws(
      () => provider.handle(fakeCall(era, operation, bytes(request))),
      (error) => isLatticeError(error) && error.code === "PAYLOAD_MALFORMED" && error.message.includes(operation),
      `${era} ${operation} ${request}`,
    );
  }
});

test("an operation that the contract lacks is named with the contract", () => {
  assert.throws(() => memoryKeyvalue().handle(fakeCall("E4", "KeyValue.Fly", bytes(""))), {
    code: "OPERATION_UNKNOWN",
    message: /wasmcloud:keyvalue has no operation KeyValue\.Fly/,
  });
});

test("a store that answers later gives the same bytes, by promise", async () => {
  const now = new MemoryStore();
  const later = new Proxy(now, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      return async (...given: unknown[]) => {
        await Promise.resolve();
        return found.apply(target, given) as unknown;
      };
    },
  }) as unknown as KeyvalueStore;
  const provider = keyvalueProvider(later);
  for (const [era, operation, request, reply] of rows) {
    if (era !== "E4") continue;
    const answer = provider.handle(fakeCall(era, operation, bytes(request)));
    assert.ok(answer instanceof Promise);
    assert.equal(hex(await answer), reply, operation);
  }
  assert.deepEqual(await ask(provider, "E4", "KeyValue.ListAdd", "82a86c6973744e616d65a176a576616c7565a161"), "01");
  await assert.rejects(async () => ask(provider, "E4", "KeyValue.Get", "a176"), { code: "WRONG_TYPE" });
});

test("random bytes never break out: an answer or a named error", () => {
  const provider = memoryKeyvalue();
  fc.assert(
    fc.property(
      fc.constantFrom<Era>("E0", "E1", "E2", "E3", "E4"),
      fc.constantFrom(...operations.keys()),
      fc.uint8Array({ maxLength: 64 }),
      (era, operation, payload) => {
        try {
          assert.ok(provider.handle(fakeCall(era, operation, payload)) instanceof Uint8Array);
        } catch (error) {
          assert.ok(isLatticeError(error), String(error));
        }
      },
    ),
    { numRuns: 3_000 },
  );
});
