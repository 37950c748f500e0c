import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr, Unpackr } from "msgpackr";
import { type HttpRequest, decodeHttpReply, encodeHttpRequest, httpOperation } from "../../capabilities/index.ts";
import { ProtobufReader } from "../../capabilities/codec/protobuf.ts";
import { type Era, eras, isLatticeError } from "../../lattice/index.ts";
import { bytes, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

const full: HttpRequest = {
  method: "PUT",
  path: "/p",
  queryString: "q",
  header: ["X-A", "1", "x-b", "2", "X-A", "3", "Connection", "close"],
  body: Uint8Array.of(1, 0xff),
};

test("a request with headers and a body, byte for byte in every era", () => {
  // Source: waPC and actors reference, section 11.1.
  const map = "85a66d6574686f64a3505554a470617468a22f70ab7175657279537472696e67a171a6686561646572";
  const rows: [Era, string][] = [
    ["E0", "0a03505554 12022f70 1a0171 220b 0a03782d61 1204312c2033 2208 0a03782d62 120132 2a0201ff"],
    ["E1", "95 a3505554 a22f70 a171 82 a3782d61 a4312c2033 a3782d62 a132 92 01 ccff"],
    ["E2", `${map} 82 a3782d61 a4312c2033 a3782d62 a132 a4626f6479 c40201ff`],
    ["E3", `${map} 82 a3782d61 a4312c2033 a3782d62 a132 a4626f6479 c40201ff`],
    ["E4", `${map} 82 a3782d61 92a131a133 a3782d62 91a132 a4626f6479 c40201ff`],
  ];
  for (const [era, form] of rows) {
    assert.equal(hex(encodeHttpRequest(era, full)), form.replaceAll(" ", ""), era);
    assert.equal(httpOperation(era), era === "E4" ? "HttpServer.HandleRequest" : "HandleRequest");
  }
  assert.equal(hex(encodeHttpRequest("E1", full, "assemblyscript")), hex(encodeHttpRequest("E2", full)));
});

test("a reply of every era and manner is understood", () => {
  const rows: [Era, string, number, string[], string][] = [
    ["E0", "08c801 12024f4b 1a06 0a0161 120162 22026869", 200, ["a", "b"], "hi"],
    ["E0", "22026869", 200, [], "hi"],
    ["E1", "94 ccc8 a24f4b 81a161a162 92 68 69", 200, ["a", "b"], "hi"],
    ["E1", "94 ccc8 a24f4b 80 dc0002 68 69", 200, [], "hi"],
    ["E1", "84 ab7374617475735f636f6465 ccc9 a6737461747573 a0 a6686561646572 80 a4626f6479 92 68 69", 201, [], "hi"],
    [
      "E2",
      "84 aa737461747573436f6465 ccc8 a6737461747573 a24f4b a6686561646572 81a161a162 a4626f6479 c4026869",
      200,
      ["a", "b"],
      "hi",
    ],
    [
      "E4",
      "83 aa737461747573436f6465 cd0194 a6686561646572 81a16192a162a163 a4626f6479 c4026869",
      404,
      ["a", "b", "a", "c"],
      "hi",
    ],
    ["E4", "83 a4626f6479 a26869 aa737461747573436f6465 ccc8 a568656c6c6f 92c0c3", 200, [], "hi"],
    ["E4", "81 a4626f6479 c4026869 00", 200, [], "hi"],
    ["E4", "82 a6686561646572 c0 a4626f6479 c0", 200, [], ""],
    ["E4", "80", 200, [], ""],
    ["E3", "82 a6686561646572 81a161cd0100 a4626f6479 a0", 200, ["a", "256"], ""],
  ];
  for (const [era, form, statusCode, header, body] of rows) {
    const reply = decodeHttpReply(era, bytes(form));
    assert.deepEqual(
      [reply.statusCode, reply.header, Buffer.from(reply.body).toString()],
      [statusCode, header, body],
      form,
    );
  }
});

test("what is no reply is refused by name", () => {
  for (const form of [
    "",
    "c0",
    "05",
    "a568656c6c6f",
    "83aa7374",
    "81a4626f647981c0c0",
    "81a66865616465729101",
    "81aa737461747573436f6465a3323030",
  ]) {
    assert.throws(() => decodeHttpReply("E4", bytes(form)), { code: "REPLY_MALFORMED" }, form);
  }
  for (const form of ["0aff", "1a020a05"])
    assert.throws(() => decodeHttpReply("E0", bytes(form)), { code: "REPLY_MALFORMED" }, form);
});

test("random replies are read or refused by name", () => {
  fc.assert(
    fc.property(fc.constantFrom(...eras), fc.uint8Array({ maxLength: 60 }), (era, reply) => {
      try {
        assert.ok(decodeHttpReply(era, reply).header.length % 2 === 0);
      } catch (error) {
        assert.ok(isLatticeError(error) && error.code === "REPLY_MALFORMED", String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});

const text = fc
  .string({ unit: "grapheme", maxLength: 60 })
  .filter((each) => each.isWellFormed() && /[^\0-\xff]|^[\0-\x7f]*$/.test(each));
const request = fc.record({
  method: fc.constantFrom("GET", "POST", "DELETE"),
  path: text,
  queryString: text,
  header: fc
    .array(fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,12}$/), text), { maxLength: 40 })
    .map((pairs) => pairs.flat()),
  body: fc.uint8Array({ maxLength: 300 }),
});
const connection =
  /^(connection|keep-alive|proxy-(connection|authenticate|authorization)|te|trailer|upgrade|transfer-encoding|expect)$/;

test("any request of any text says the same to every era", () => {
  fc.assert(
    fc.property(request, (given) => {
      const expected = new Map<string, string[]>();
      for (let i = 0; i < given.header.length; i += 2) {
        const name = given.header[i]!.toLowerCase();
        if (!connection.test(name)) expected.set(name, [...(expected.get(name) ?? []), given.header[i + 1]!]);
      }
      const joined = [...expected].map(([name, values]) => [name, values.join(name === "cookie" ? "; " : ", ")]);
      const { method, path, queryString, body } = given;
      const common = { method, path, queryString, body: Buffer.from(body).toString("hex") };
      assert.deepEqual(seen(unpackr.unpack(encodeHttpRequest("E4", given))), {
        ...common,
        header: Object.fromEntries(expected),
      });
      assert.deepEqual(seen(unpackr.unpack(encodeHttpRequest("E3", given))), {
        ...common,
        header: Object.fromEntries(joined),
      });
      assert.deepEqual(unpackr.unpack(encodeHttpRequest("E1", given)), [
        method,
        path,
        queryString,
        Object.fromEntries(joined),
        [...body],
      ]);
      assert.deepEqual(fromProtobuf(encodeHttpRequest("E0", given)), { ...common, header: Object.fromEntries(joined) });
    }),
    { numRuns: 300 },
  );
});

/** A decoded request with its body as hex. */
function seen(shown: unknown) {
  const map = shown as { body: Buffer };
  return { ...map, body: Buffer.from(map.body).toString("hex") };
}

function fromProtobuf(form: Uint8Array) {
  const reader = new ProtobufReader(form);
  const found = { method: "", path: "", queryString: "", body: "", header: {} as Record<string, string> };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) found.method = reader.text();
    else if (field === 2) found.path = reader.text();
    else if (field === 3) found.queryString = reader.text();
    else if (field === 5) found.body = hex(reader.bytes());
    else {
      const entry = new ProtobufReader(reader.bytes());
      let [name, value] = ["", ""];
      for (let part = entry.next(); part !== 0; part = entry.next())
        [name, value] = part === 1 ? [entry.text(), value] : [name, entry.text()];
      found.header[name] = value;
    }
  }
  return found;
}

test("a client that invents header names cannot grow the table of names, nor spoil what comes after", () => {
  const invented = Array.from({ length: 3_000 }, (_, i) => [`x-invented-${i}`, String(i)]).flat();
  const map = unpackr.unpack(encodeHttpRequest("E4", { ...full, header: invented })) as {
    header: Record<string, string[]>;
  };
  assert.equal(Object.keys(map.header).length, 3_000);
  const later = ["X-Late", "1", "x-late", "2", "Host", "a", "host", "b"];
  const { header } = unpackr.unpack(encodeHttpRequest("E4", { ...full, header: later })) as {
    header: Record<string, string[]>;
  };
  assert.deepEqual(header, { "x-late": ["1", "2"], host: ["a", "b"] });
  assert.ok(packr.pack(header).length > 0);
});
