import type { Era } from "../../lattice/index.ts";
import { Fields } from "../codec/fields.ts";
import { Malformed } from "../codec/malformed.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import { ProtobufReader } from "../codec/protobuf.ts";
import { latin1Slice } from "../codec/raw-buffer.ts";
import type { HttpReply } from "./contract.ts";

const none: Uint8Array = new Uint8Array(0);

/** E1 has these four in this order, E4 has no `status`; the hybrid of 1 April 2020 says `status_code`. */
const fields = new Fields(["statusCode", "status_code"], ["status"], ["header", "headers"], ["body"]);

/**
 * Reads the reply of an actor to an HTTP request, whatever form its era gave it: map or array, any
 * spelling, header values as text or as lists of it, body as bytes, text or integers.
 * `headText` chooses how header values are read: as the text they are, or with one character per
 * byte, ready for Node's HTTP head.
 * Source: waPC and actors reference, sections 4 and 11.1.
 * @throws Malformed when it cannot be read; the caller knows whose reply it was.
 */
export function readHttpReply(era: Era, bytes: Uint8Array, headText: "utf8" | "latin1"): HttpReply {
  if (era === "E0" && bytes.length > 0) return readProtobuf(bytes, headText);
  const latin1 = headText === "latin1";
  let statusCode = 200;
  let header: string[] = [];
  let body = none;
  reader.open(bytes);
  if (!reader.atMap() && !reader.atArray()) throw new Malformed("it holds no HTTP answer");
  const count = reader.struct();
  const { keyed } = reader;
  for (let i = 0; i < count; i++) {
    switch (keyed ? reader.field(fields) : i) {
      case 0:
        statusCode = reader.int();
        break;
      case 2:
        header = readHeader(reader, latin1);
        break;
      case 3:
        body = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return { statusCode, header, body };
}

function readHeader(from: MsgpackReader, latin1: boolean): string[] {
  const header: string[] = [];
  if (from.peek() === 0xc0) {
    from.skip();
    return header;
  }
  const count = from.map();
  for (let i = 0; i < count; i++) {
    const name = from.text();
    if (!from.atArray()) add(header, name, latin1 ? from.textLatin1() : from.text());
    else for (let left = from.array(); left > 0; left--) header.push(name, latin1 ? from.textLatin1() : from.text());
  }
  return header;
}

function readProtobuf(bytes: Uint8Array, headText: "utf8" | "latin1"): HttpReply {
  const message = new ProtobufReader(bytes);
  let statusCode = 200;
  let body = none;
  const header: string[] = [];
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 1) statusCode = message.number();
    else if (field === 3) readEntry(message.bytes(), header, headText);
    else if (field === 4) body = message.bytes();
  }
  return { statusCode, header, body };
}

function readEntry(bytes: Uint8Array, header: string[], headText: "utf8" | "latin1"): void {
  const entry = new ProtobufReader(bytes);
  let name = "";
  let value = "";
  for (let field = entry.next(); field !== 0; field = entry.next()) {
    if (field === 1) name = entry.text();
    else if (field === 2)
      value = headText === "utf8" ? entry.text() : latin1Slice(entry.bytes(), 0, entry.bytes().length);
  }
  add(header, name, value);
}

/** A comma ends a cookie only where the next one begins; dates within have commas too. */
const nextCookie = /,\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)/;

/** Eras with one text per name join several cookies by commas; browsers need a line for each (RFC 6265, 3). */
function add(header: string[], name: string, value: string): void {
  if (name.length === 10 && name.toLowerCase() === "set-cookie" && value.includes(",")) {
    for (const cookie of value.split(nextCookie)) header.push(name, cookie);
  } else header.push(name, value);
}
