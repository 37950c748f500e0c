import type { Era } from "../../lattice/index.ts";
import { Fields } from "../codec/fields.ts";
import { Malformed } from "../codec/malformed.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import { msgpack } from "../codec/msgpack-writer.ts";
import { ProtobufReader, protobuf } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";

/** What an actor asks of the world. Source: waPC and actors reference, section 11.2. */
export interface ClientRequest {
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value, ... */
  readonly header: readonly string[];
  /** A view over the call's payload. */
  readonly body: Uint8Array;
}

export interface ClientReply {
  readonly statusCode: number;
  readonly statusText: string;
  /** Name, value, name, value, ...; a name may come several times. */
  readonly header: readonly string[];
  readonly body: Uint8Array;
}

const none: Uint8Array = new Uint8Array(0);

/** waSCC has the fields of a server's request, `path` carrying the whole URL; later eras have `url` and no query. */
const fields = new Fields(
  ["method"],
  ["url", "path"],
  ["queryString", "query_string"],
  ["headers", "header"],
  ["body"],
);

/** @throws Malformed */
export function readClientRequest(era: Era, payload: Uint8Array): ClientRequest {
  return shapeOf(era) === "protobuf" ? readProtobuf(payload) : readStruct(payload);
}

function readStruct(payload: Uint8Array): ClientRequest {
  let method = "GET";
  let url = "";
  let query = "";
  let header: string[] = [];
  let body = none;
  reader.open(payload);
  const count = reader.struct();
  const { keyed } = reader;
  // The array form of a client's request never had a query: it is the server's, with one.
  for (let i = 0; i < count; i++) {
    switch (keyed ? reader.field(fields) : i) {
      case 0:
        method = reader.text();
        break;
      case 1:
        url = reader.text();
        break;
      case 2:
        query = reader.text();
        break;
      case 3:
        header = readHeader(reader);
        break;
      case 4:
        body = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  reader.close();
  return complete(method, url, query, header, body);
}

function readHeader(from: MsgpackReader): string[] {
  const header: string[] = [];
  if (from.peek() === 0xc0) {
    from.skip();
    return header;
  }
  for (let left = from.map(); left > 0; left--) {
    const name = from.text();
    if (!from.atArray()) header.push(name, from.text());
    else for (const value of from.texts()) header.push(name, value);
  }
  return header;
}

function readProtobuf(payload: Uint8Array): ClientRequest {
  const message = new ProtobufReader(payload);
  let [method, url, query] = ["GET", "", ""];
  let body = none;
  const header: string[] = [];
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 1) method = message.text();
    else if (field === 2) url = message.text();
    else if (field === 3) query = message.text();
    else if (field === 4) readEntry(message.bytes(), header);
    else if (field === 5) body = message.bytes();
  }
  return complete(method, url, query, header, body);
}

function readEntry(bytes: Uint8Array, header: string[]): void {
  const entry = new ProtobufReader(bytes);
  let [name, value] = ["", ""];
  for (let field = entry.next(); field !== 0; field = entry.next()) {
    if (field === 1) name = entry.text();
    else if (field === 2) value = entry.text();
  }
  header.push(name, value);
}

function complete(method: string, url: string, query: string, header: string[], body: Uint8Array): ClientRequest {
  if (url === "") throw new Malformed("it names no URL");
  const whole = query === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${query}`;
  return { method: method.toUpperCase() || "GET", url: whole, header, body };
}

/** The reply as an actor of `era` reads it: header values as lists in E4, as one text before. */
export function encodeClientReply(era: Era, reply: ClientReply): Uint8Array {
  const { statusCode, statusText, body } = reply;
  const header = grouped(reply.header);
  const shape = shapeOf(era);
  switch (shape) {
    case "protobuf":
      protobuf.begin();
      protobuf.number(1, statusCode);
      protobuf.text(2, statusText);
      for (const [name, values] of header) {
        protobuf.message(3, (out) => {
          out.text(1, name);
          out.text(2, values.join(", "));
        });
      }
      protobuf.bytes(4, body);
      return protobuf.end();
    case "array":
      msgpack.begin();
      msgpack.array(4);
      msgpack.int(statusCode);
      msgpack.text(statusText);
      writeHeader(header, false);
      msgpack.byteArray(body);
      return msgpack.end();
    case "map":
      msgpack.begin();
      msgpack.map(era === "E4" ? 3 : 4);
      msgpack.text("statusCode");
      msgpack.int(statusCode);
      if (era !== "E4") {
        msgpack.text("status");
        msgpack.text(statusText);
      }
      msgpack.text("header");
      writeHeader(header, era === "E4");
      msgpack.text("body");
      msgpack.bin(body);
      return msgpack.end();
    default:
      return shape satisfies never;
  }
}

function writeHeader(header: ReadonlyMap<string, readonly string[]>, asLists: boolean): void {
  msgpack.map(header.size);
  for (const [name, values] of header) {
    msgpack.text(name);
    if (asLists) msgpack.texts(values);
    else msgpack.text(values.join(", "));
  }
}

function grouped(header: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (let i = 0; i < header.length; i += 2) {
    const name = header[i]!.toLowerCase();
    const group = groups.get(name);
    if (group) group.push(header[i + 1]!);
    else groups.set(name, [header[i + 1]!]);
  }
  return groups;
}
