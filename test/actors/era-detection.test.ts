import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, detectEra, readSections, signModule } from "../../actors/index.ts";
import type { EraClaims } from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { corpus, guestFile } from "../support/guest-corpus.ts";
import { guestModule } from "../support/modules.ts";
import type { GuestShape } from "../support/modules.ts";

const march2020 = Date.UTC(2020, 2, 20) / 1000;
const today = Date.UTC(2026, 0, 1) / 1000;

function claims(capabilities: string[] = [], issuedAt = today): EraClaims {
  return { capabilities, issuedAt };
}

function detect(shape: GuestShape, signed?: EraClaims): string {
  const bytes = guestModule(shape);
  return detectEra(bytes, readSections(bytes, "m"), "m", signed).era;
}

for (const guest of corpus.guests)
  test(`${guest.name} (${guest.sdk}) is told as ${guest.era}`, async () => {
    const loaded = await ActorModule.fromFile(guestFile(guest));
    assert.equal(loaded.era, guest.era);
    if (guest.host_call_parameters !== undefined) assert.equal(loaded.hostCallParameters, guest.host_call_parameters);
    assert.equal(loaded.language === "assemblyscript", guest.language === "assemblyscript");
  });

for (const guest of corpus.guests.filter(({ language, sdk }) => language === "rust" && sdk !== "none"))
  test(`${guest.name} is told as ${guest.era} also when it is signed again today`, async () => {
    const { bytes, claims: old } = await ActorModule.fromFile(guestFile(guest));
    const { issuer, module } = { issuer: KeyPair.generate("account"), module: KeyPair.generate("module") };
    const signed = signModule(bytes, { issuer, module, name: "n", capabilities: old.capabilities });
    assert.equal(ActorModule.fromBytes(signed).era, guest.era);
  });

const rows: [string, string, GuestShape, EraClaims?][] = [
  ["an import from wasmbus", "E4", { importModule: "wasmbus", data: "wascc: rmp-0.8.9" }],
  ["a host call of four parameters", "E0", { hostCallParameters: 4, data: "serde_bytes" }],
  ["protobuf's words and none of MessagePack", "E0", { data: "invalid varint" }],
  ["both words and wasmCloud capabilities", "E3", { data: "invalid varint rmp" }, claims(["wasmcloud:keyvalue"])],
  ["AssemblyScript's exports", "E2", { exports: ["__alloc", "__retain"] }, claims(["wasmcloud:keyvalue"])],
  ["AssemblyScript's abort", "E2", { imports: ["env.abort"] }],
  ["AssemblyScript's UTF-16 library paths", "E2", { data: Buffer.from("x~lib/rt.ts".split("").join("\0") + "\0") }],
  ["a host call of six parameters", "E1", { hostCallParameters: 6 }, claims(["wascc:keyvalue"])],
  ["a wasmCloud capability", "E3", {}, claims(["wasmcloud:httpserver"])],
  [
    "the newer SDK's name, whatever it claims",
    "E3",
    { data: "wasmcloud-actor-core-0.2.3" },
    claims(["wascc:keyvalue"]),
  ],
  ["the newer guest library's name", "E3", { data: "wapc-guest-0.4.0" }, claims(["wascc:keyvalue"])],
  [
    "waSCC ids in the data, signed later with newer names",
    "E2",
    { data: "wascc:keyvalue queryString" },
    claims(["wasmcloud:keyvalue"]),
  ],
  ["camelCase field names", "E2", { data: "queryString rmp-0.8.9" }, claims(["wascc:http_server"], march2020)],
  ["the name of the bytes crate", "E2", { data: "serde_bytes" }, claims(["wascc:keyvalue"], march2020)],
  ["snake_case field names", "E1", { data: "rmp-0.8.9 query_string" }, claims(["wascc:http_server"])],
  ["an early MessagePack and an early date", "E1", { data: "rmp-0.8.9" }, claims(["wascc:keyvalue"], march2020)],
  ["an early MessagePack and a later date", "E2", { data: "rmp-0.8.9" }, claims(["wascc:keyvalue"])],
  ["nothing but waSCC capabilities", "E2", {}, claims(["wascc:keyvalue"])],
  ["nothing but ids of 2019", "E2", {}, claims(["wascap:keyvalue"])],
  ["nothing at all", "E3", {}, claims(["demo:own"])],
  ["nothing at all and no signature", "E3", {}],
  ["newer ids in the data and no signature", "E3", { data: "wasmcloud:keyvalue" }],
  ["older ids in the data and no signature", "E2", { data: "wascc:keyvalue" }],
];
for (const [what, era, shape, signed] of rows)
  test(`${what}: ${era}`, () => {
    assert.equal(detect(shape, signed), era);
  });

test("the parameters of the host call are read from the file", () => {
  for (const hostCallParameters of [4, 6, 8, 3]) {
    const bytes = guestModule({ hostCallParameters });
    assert.equal(detectEra(bytes, readSections(bytes, "m"), "m").hostCallParameters, hostCallParameters);
  }
});
