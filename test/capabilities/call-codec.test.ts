import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr } from "msgpackr";
import { decodeReply, encodeOperation, healthOperation } from "../../capabilities/index.ts";
import { type Era, eras, isLatticeError } from "../../lattice/index.ts";
import { bytes, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const request = "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400";

test("an HTTP request typed as JSON is what the listener would have sent", () => {
  const rows: [Era, string, string][] = [
    ["E0", "HandleRequest", "0a03474554 12022f61"],
    ["E1", "HandleRequest", "95a3474554a22f61a08090"],
    ["E2", "HandleRequest", request],
    ["E3", "HandleRequest", request],
    ["E4", "HttpServer.HandleRequest", request],
  ];
  for (const [era, operation, form] of rows) {
    assert.equal(hex(encodeOperation(era, "rust", operation, { path: "/a" })), form.replaceAll(" ", ""), era);
  }
  assert.equal(hex(encodeOperation("E1", "assemblyscript", "HandleRequest", { method: "GET", path: "/a" })), request);
});

test("everything of a request can be said, shortly or at length", () => {
  const full = encodeOperation("E4", "rust", "HttpServer.HandleRequest", {
    method: "PUT",
    path: "/p",
    queryString: "a=1",
    header: { "X-One": "1", "X-Two": ["2", "3"], "X-Number": 4 },
    body: "é",
  });
  assert.equal(
    hex(full),
    hex(
      packr.pack({
        method: "PUT",
        path: "/p",
        queryString: "a=1",
        header: { "x-one": ["1"], "x-two": ["2", "3"], "x-number": ["4"] },
        body: Buffer.from("é"),
      }),
    ),
  );
  const short = encodeOperation("E4", "rust", "HttpServer.HandleRequest", { path: "/p?a=1", body: { json: true } });
  const expected = { method: "POST", path: "/p", queryString: "a=1", header: {}, body: Buffer.from('{"json":true}') };
  assert.equal(hex(short), hex(packr.pack(expected)));
  const raw = encodeOperation("E4", "rust", "HttpServer.HandleRequest", { method: "POST", body: { base64: "/wA=" } });
  assert.match(hex(raw), /a4626f6479c402ff00$/);
});

test("messages and health are encoded for the era", () => {
  const message = { subject: "t", replyTo: "o", body: "hi" };
  assert.equal(hex(encodeOperation("E0", "rust", "DeliverMessage", message)), "0a0a0a017412016f1a026869");
  assert.equal(hex(encodeOperation("E1", "rust", "DeliverMessage", message)), "9193a174a16f926869");
  assert.equal(
    hex(encodeOperation("E3", "rust", "HandleMessage", message)),
    "83a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869",
  );
  const health: [Era, string, string][] = [
    ["E0", "HealthRequest", ""],
    ["E1", "HealthRequest", "91c2"],
    ["E2", "HealthRequest", "81ab706c616365686f6c646572c2"],
    ["E3", "HealthRequest", "81ab706c616365686f6c646572c2"],
    ["E4", "Actor.HealthRequest", "80"],
  ];
  for (const [era, operation, form] of health) {
    assert.equal(healthOperation(era), operation);
    assert.equal(hex(encodeOperation(era, "rust", operation)), form, era);
  }
});

test("other operations take their JSON as MessagePack, nothing as nothing", () => {
  assert.equal(hex(encodeOperation("E3", "rust", "Ping", { value: 11 })), "81a576616c75650b");
  assert.equal(hex(encodeOperation("E4", "rust", "Factorial.Calculate", 5)), "05");
  assert.equal(hex(encodeOperation("E4", "rust", "Pingpong.Ping")), "");
  assert.equal(
    hex(encodeOperation("E1", "rust", "Custom", { a: "x", b: [1] })),
    "92a1789101",
    "E1 takes structs as arrays",
  );
  assert.equal(hex(encodeOperation("E2", "assemblyscript", "Upper", "text")), "a474657874");
  assert.equal(hex(encodeOperation("E0", "rust", "Custom", "text")), "74657874");
  assert.equal(hex(encodeOperation("E4", "rust", "Big", 4_294_967_296)), "d30000000100000000");
  assert.equal(hex(encodeOperation("E4", "rust", "Small", -4_294_967_296)), "d3ffffffff00000000");
  assert.equal(hex(encodeOperation("E4", "rust", "Half", 0.5)), "cb3fe0000000000000");
  assert.equal(hex(encodeOperation("E2", "rust", "GetCapabilityDescriptor")), "81ab706c616365686f6c646572c2");
});

test("what does not fit the operation is refused with what would", () => {
  const wrong: [Era, string, unknown, RegExp][] = [
    ["E4", "HttpServer.HandleRequest", "text", /give an object with method, path/],
    ["E4", "HttpServer.HandleRequest", { pth: "/" }, /pth: not among/],
    ["E4", "HttpServer.HandleRequest", { path: {} }, /path is no text/],
    ["E4", "HttpServer.HandleRequest", { header: ["a"] }, /header is an object/],
    ["E4", "HandleRequest", {}, /E4 have no such operation/],
    ["E2", "HttpServer.HandleRequest", {}, /E2 have no such operation/],
    ["E4", "DeliverMessage", {}, /E4 take MessageSubscriber\.HandleMessage/],
    ["E0", "Custom", { a: 1 }, /--hex/],
  ];
  for (const [era, operation, value, reason] of wrong) {
    assert.throws(() => encodeOperation(era, "rust", operation, value), { code: "PAYLOAD_MALFORMED", message: reason });
  }
});

test("replies of HTTP actors are shown as they are", () => {
  const e4 = "83a4626f6479c40d7b22636f756e746572223a357da668656164657280aa737461747573436f6465ccc8";
  assert.deepEqual(decodeReply("E4", "HttpServer.HandleRequest", bytes(e4)), {
    statusCode: 200,
    header: {},
    body: '{"counter":5}',
  });
  const e0 = decodeReply("E0", "HandleRequest", bytes("08c801 12024f4b 220d7b22636f756e746572223a357d"));
  assert.deepEqual(e0, { statusCode: 200, header: {}, body: '{"counter":5}' });
  const repeated = packr.pack({ statusCode: 404, header: { "x-a": ["1", "2"], "x-b": ["3"] }, body: Buffer.of(0xff) });
  assert.deepEqual(decodeReply("E4", "HttpServer.HandleRequest", repeated), {
    statusCode: 404,
    header: { "x-a": ["1", "2"], "x-b": "3" },
    body: { base64: "/w==" },
  });
  assert.throws(() => decodeReply("E4", "HttpServer.HandleRequest", bytes("c1")), { code: "REPLY_MALFORMED" });
});

test("health is healthy however the era says so", () => {
  assert.deepEqual(decodeReply("E0", "HealthRequest", bytes("")), { healthy: true });
  assert.deepEqual(decodeReply("E2", "HealthRequest", bytes("c0")), { healthy: true });
  assert.deepEqual(decodeReply("E3", "HealthRequest", bytes("82a76865616c746879c3a76d657373616765a0")), {
    healthy: true,
    message: "",
  });
  assert.deepEqual(decodeReply("E4", "Actor.HealthRequest", bytes("81a76865616c746879c2")), { healthy: false });
});

test("any other reply is shown as its value, as text, or as base64", () => {
  const rows: [Era, string, unknown][] = [
    ["E4", "", null],
    ["E4", "a4706f6e67", "pong"],
    ["E3", "81a576616c756535", { value: 53 }],
    ["E2", "81a576616c75653500", { value: 53 }],
    ["E4", "c403ff0001", { base64: "/wAB" }],
    ["E4", "68656c6c6f", "hello"],
    ["E4", "6869", "hi"],
    ["E4", "8181000000", { base64: "gYEAAAA=" }],
    ["E4", "fffefd", { base64: "//79" }],
    ["E4", "cb3fe0000000000000", 0.5],
    ["E4", "d3ffffffff00000000", -4_294_967_296],
    ["E0", "0805", "\b\u0005"],
  ];
  for (const [era, form, value] of rows) assert.deepEqual(decodeReply(era, "Custom", bytes(form)), value, form);
});

test("JSON goes through an operation of a later era and back unchanged", () => {
  const json = fc.jsonValue({ maxDepth: 4 }).filter((each) => !/__proto__|\d{16}/.test(JSON.stringify(each)));
  fc.assert(
    fc.property(json, fc.constantFrom<Era>("E2", "E3", "E4"), (value, era) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      assert.deepEqual(decodeReply(era, "Custom", encodeOperation(era, "rust", "Custom", plain)), plain);
    }),
  );
});

test("random bytes are shown somehow, or named as unreadable", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...eras),
      fc.constantFrom("HandleRequest", "HealthRequest", "Custom"),
      fc.uint8Array(),
      (era, operation, reply) => {
        try {
          assert.ok(JSON.stringify(decodeReply(era, operation, reply)) !== undefined);
        } catch (error) {
          assert.ok(isLatticeError(error) && error.code === "REPLY_MALFORMED", String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
