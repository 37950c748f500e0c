/** The corpus of test guests, as `test/guests/guests.json` describes it, and what to say to each. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pack } from "../../lattice/index.ts";
import type { Era, MsgpackValue } from "../../lattice/index.ts";
import type { Answer, Call } from "./wapc-replay.ts";

export interface CorpusGuest {
  readonly name: string;
  /** Of the signed module, under `test/guests`. */
  readonly file: string;
  readonly era: Era;
  readonly language: "rust" | "c" | "assemblyscript" | "text";
  readonly sdk: string;
  /** Folder or file, under `test/guests`. */
  readonly source: string;
  readonly claims: readonly string[];
  /** Capabilities that its HTTP paths reach; see `test/guests/README.md`. */
  readonly drives: readonly string[];
  /** Operations it answers besides, or instead of, HTTP. */
  readonly operations?: readonly string[];
  readonly host_call_parameters?: 4 | 6 | 8;
  readonly call_alias?: string;
  readonly portable_provider?: boolean;
  /** For the tokens that no tool makes any more. */
  readonly token?: { readonly shape: "flat" | "nameless" | "full"; readonly issued_at: string };
  /** Its public key. */
  readonly module: string;
}

const folder = new URL("../guests/", import.meta.url);

export const corpus = JSON.parse(readFileSync(new URL("guests.json", folder), "utf8")) as {
  /** Public key of the account that signed them all. */
  readonly account: string;
  readonly guests: readonly CorpusGuest[];
};

/** A guest of the corpus by its name. */
export function corpusGuest(name: string): CorpusGuest {
  const guest = corpus.guests.find((entry) => entry.name === name);
  if (guest === undefined) throw new Error(`no guest ${name} in guests.json`);
  return guest;
}

/** Path of a guest's signed module. */
export function guestFile(guest: CorpusGuest | string): string {
  const { file } = typeof guest === "string" ? corpusGuest(guest) : guest;
  return fileURLToPath(new URL(file, folder));
}

/** The bytes of a guest's signed module. */
export function guestBytes(guest: CorpusGuest | string): Uint8Array {
  return readFileSync(guestFile(guest));
}

/** An HTTP request in the encoding of an era. */
export function httpRequest(era: Era, method: string, path: string, query = "", body = ""): Call {
  const bytes = Buffer.from(body);
  if (era === "E0") {
    const fields = [method, path, query].map((value, index) => field(index + 1, Buffer.from(value)));
    return { operation: "HandleRequest", payload: Buffer.concat([...fields, field(5, bytes)]) };
  }
  if (era === "E1") {
    return { operation: "HandleRequest", payload: pack([method, path, query, {}, [...bytes]]) };
  }
  const operation = era === "E4" ? "HttpServer.HandleRequest" : "HandleRequest";
  return { operation, payload: pack({ method, path, queryString: query, header: {}, body: bytes }) };
}

/** A protobuf field with a length; nothing for an empty one, as prost writes it. Lengths below 128. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? bytes : Buffer.concat([Uint8Array.of((number << 3) | 2, bytes.length), bytes]);
}

/** A message for an actor in the encoding of an era. */
export function message(era: Era, subject: string, replyTo: string, body: string): Call {
  const bytes = Buffer.from(body);
  if (era === "E0") {
    const parts = [Buffer.from(subject), Buffer.from(replyTo), bytes].map((part, index) => field(index + 1, part));
    return { operation: "DeliverMessage", payload: field(1, Buffer.concat(parts)) };
  }
  if (era === "E1") return { operation: "DeliverMessage", payload: pack([[subject, replyTo, [...bytes]]]) };
  const operation = { E2: "DeliverMessage", E3: "HandleMessage", E4: "MessageSubscriber.HandleMessage" }[era];
  return { operation, payload: pack({ subject, replyTo, body: bytes }) };
}

/** Replies by operation: as protobuf (E0), and as fields in order (arrays for E1, maps later). */
const replies: Record<string, { protobuf: string; fields: Record<string, MsgpackValue> }> = {
  Add: { protobuf: "0805", fields: { value: 5 } },
  Get: { protobuf: "0a0568c3a96c6c1001", fields: { value: "héll", exists: true } },
  Set: { protobuf: "0a0176", fields: { value: "v" } },
  Del: { protobuf: "0a016b", fields: { key: "k" } },
  Range: { protobuf: "0a01610a0162", fields: { values: ["a", "b"] } },
  Push: { protobuf: "08ac02", fields: { newCount: 300 } },
  ListItemDelete: { protobuf: "0801", fields: { newCount: 1 } },
  SetAdd: { protobuf: "0802", fields: { newCount: 2 } },
  SetRemove: { protobuf: "", fields: { newCount: 0 } },
  SetUnion: { protobuf: "0a0161", fields: { values: ["a"] } },
  SetIntersection: { protobuf: "", fields: { values: [] } },
  SetQuery: { protobuf: "0a0161", fields: { values: ["a"] } },
  KeyExists: { protobuf: "1001", fields: { value: "", exists: true } },
};
const bare: Record<string, MsgpackValue> = {
  "KeyValue.Increment": 5,
  "KeyValue.Contains": true,
  "KeyValue.Get": { value: "héll", exists: true },
  "KeyValue.Del": true,
  "KeyValue.ListAdd": 300,
  "KeyValue.ListDel": true,
  "KeyValue.ListClear": false,
  "KeyValue.ListRange": ["a", "b"],
  "KeyValue.SetAdd": 1,
  "KeyValue.SetDel": 1,
  "KeyValue.SetUnion": ["a"],
  "KeyValue.SetIntersection": [],
  "KeyValue.SetQuery": ["a"],
  "KeyValue.SetClear": true,
  "NumberGen.GenerateGuid": "5e0a-guid",
  "NumberGen.Random32": 4_000_000_000,
  "NumberGen.RandomInRange": 4,
  "Messaging.Request": { subject: "inbox", body: Buffer.from("réply") },
  "Pingpong.Ping": "pong",
};

/** Answers a guest's host calls the same way each time, in the guest's own encoding. Key `missing` fails. */
export function cannedAnswer(era: Era): Answer {
  return ({ operation, payload }) => {
    if (Buffer.from(payload).includes("missing")) throw new Error("no link é");
    if (operation in bare) return pack(bare[operation]);
    if (operation === "Request") {
      const body = Buffer.from("réply");
      return era === "E3" ? pack({ subject: "inbox", replyTo: "", body }) : body;
    }
    if (operation === "Publish") return era === "E3" ? pack({ published: true }) : new Uint8Array();
    if (operation === "Clear") {
      return era === "E0"
        ? new Uint8Array()
        : era === "E1"
          ? pack([0])
          : pack(era === "E3" ? { key: "k" } : { newCount: 0 });
    }
    if (operation.startsWith("Request")) return generated(era, operation);
    const reply = replies[operation];
    if (reply === undefined) return new Uint8Array();
    if (era === "E0") return Buffer.from(reply.protobuf, "hex");
    if (era === "E1") return pack(Object.values(reply.fields));
    const { newCount } = reply.fields;
    return pack(newCount === undefined ? reply.fields : { newCount, new_count: newCount });
  };
}

function generated(era: Era, operation: string): Uint8Array {
  const kinds = ["RequestGuid", "RequestSequence", "RequestRandom"];
  const kind = kinds.indexOf(operation);
  const value = (["5e0a-guid", 7, 4] as const)[kind] ?? 0;
  if (era === "E0")
    return typeof value === "string" ? field(1, Buffer.from(value)) : Uint8Array.of((kind + 1) << 3, value);
  // One element that holds {variant: value}, the variant as an integer, which no JavaScript map key can be.
  if (era === "E1") return Buffer.concat([Uint8Array.of(0x91, 0x81, kind), pack(value)]);
  return pack({ guid: "5e0a-guid", sequenceNumber: 7, random_number: 4, randomNumber: 4 });
}

const waSccQueries = [
  "Add?key=k&value=-3",
  "Get?key=k%C3%A9+x",
  "Get?key=missing",
  "Set?key=k&value=v&expires=60",
  "Del?key=k",
  "Clear?key=k",
  "Range?key=k&start=-2&stop=-1",
  "Push?key=k&value=v",
  "ListItemDelete?key=k&value=v",
  "SetAdd?key=k&value=v",
  "SetRemove?key=k&value=v",
  "SetUnion?keys=a&keys=b",
  "SetIntersection?keys=a&keys=b",
  "SetQuery?key=k",
  "KeyExists?key=k",
];
const weldQueries = [
  "Increment?key=k&value=-3",
  "Contains?key=k",
  "Get?key=k%C3%A9+x",
  "Get?key=missing",
  "Set?key=k&value=v&expires=60",
  "Del?key=k",
  "ListAdd?key=k&value=v",
  "ListDel?key=k&value=v",
  "ListClear?key=k",
  "ListRange?key=k&start=-2&stop=-1",
  "SetAdd?key=k&value=v",
  "SetDel?key=k&value=v",
  "SetUnion?keys=a&keys=b",
  "SetIntersection?keys=a&keys=b",
  "SetQuery?key=k",
  "SetClear?key=k",
];

/** All HTTP paths of a driver, every operation of the contracts it drives among them. */
export function driverPaths({ era, drives }: Pick<CorpusGuest, "era" | "drives">): string[] {
  const numbers =
    era === "E4"
      ? ["GenerateGuid", "Random32", "RandomInRange?min=1&max=6"]
      : ["guid", "sequence", "random?min=1&max=6"];
  const all: Record<string, string[]> = {
    httpserver: ["/a", "/tea/pot"],
    keyvalue: (era === "E4" ? weldQueries : waSccQueries).map((query) => `/keyvalue/${query}`),
    logging: ["error", "warn", "info", "debug"].map((level) => `/logging/${level}?text=t%C3%A9a`),
    numbers: numbers.map((query) => `/numbers/${query}`),
    messaging: ["/messaging/Publish?subject=s&reply=r&body=b", "/messaging/Request?subject=s&body=b&timeout=500"],
  };
  return drives.flatMap((capability) => all[capability] ?? []);
}

const none = new Uint8Array();

/** Everything that a guest of the corpus can be asked. */
export function conversation(guest: CorpusGuest): Call[] {
  const paths = driverPaths(guest).map((path) => {
    const [before, query] = path.split("?");
    return httpRequest(guest.era, "GET", before ?? path, query, "");
  });
  const health = guest.era === "E4" ? "Actor.HealthRequest" : "HealthRequest";
  const healthPayload = {
    E0: none,
    E1: pack([false]),
    E2: pack({ placeholder: false }),
    E3: pack({ placeholder: false }),
    E4: pack({}),
  };
  return [
    ...paths,
    ...(guest.drives.includes("messaging")
      ? [message(guest.era, "s", "r", "hé"), message(guest.era, "s", "", "hé")]
      : []),
    { operation: health, payload: healthPayload[guest.era] },
    { operation: "Unknown é", payload: pack({}) },
    // Spin never comes back, so it is for hosts that can end it.
    ...(guest.operations ?? [])
      .filter((operation) => operation !== "Spin")
      .map((operation) => ({ operation, payload: spoken(operation) })),
    ...(guest.portable_provider === true ? providerConversation : []),
  ];
}

function spoken(operation: string): Uint8Array {
  if (operation.startsWith("Call")) return Buffer.from("default\ndemo:counter\nAdd\nhé");
  if (operation === "DoCustomThing") return pack({ super_secret: 42 });
  return Buffer.from("hé");
}

const module = { module: `M${"A".repeat(55)}`, values: { URL: "x" } };
const providerConversation: Call[] = [
  { operation: "GetCapabilityDescriptor", payload: pack({ placeholder: false }) },
  { operation: "BindActor", payload: pack(module) },
  { operation: "Get", payload: pack({ key: "bound" }) },
  ...["a", "b", "a"].map((value) => ({ operation: "Push", payload: pack({ key: "list", value }) })),
  { operation: "Range", payload: pack({ key: "list", start: -2, stop: -1 }) },
  { operation: "ListItemDelete", payload: pack({ key: "list", value: "a" }) },
  { operation: "Clear", payload: pack({ key: "list" }) },
  { operation: "Add", payload: pack({ key: "n", value: 2 }) },
  { operation: "Add", payload: pack({ key: "n", value: -3 }) },
  { operation: "Set", payload: pack({ key: "k", value: "v", expires: 0 }) },
  { operation: "KeyExists", payload: pack({ key: "k" }) },
  { operation: "Del", payload: pack({ key: "k" }) },
  { operation: "KeyExists", payload: pack({ key: "k" }) },
  ...["x", "y"].map((value) => ({ operation: "SetAdd", payload: pack({ key: "s", value }) })),
  { operation: "SetAdd", payload: pack({ key: "t", value: "y" }) },
  { operation: "SetUnion", payload: pack({ keys: ["s", "t"] }) },
  { operation: "SetIntersection", payload: pack({ keys: ["s", "t"] }) },
  { operation: "SetRemove", payload: pack({ key: "s", value: "x" }) },
  { operation: "SetQuery", payload: pack({ key: "s" }) },
  { operation: "RemoveActor", payload: pack(module) },
  { operation: "Get", payload: pack({ key: "bound" }) },
];
