import { isUtf8 } from "node:buffer";
import type { Era, GuestLanguage } from "../../lattice/index.ts";
import { type MsgpackWriter, constant, msgpack } from "../codec/msgpack-writer.ts";
import { protobuf } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";
import type { HttpRequest } from "./contract.ts";
import { headerName, isHopByHop, jointOf } from "./header-names.ts";

const methodKey = constant((out) => {
  out.map(5);
  out.text("method");
});
const pathKey = constant((out) => out.text("path"));
const queryKey = constant((out) => out.text("queryString"));
const headerKey = constant((out) => out.text("header"));
const bodyKey = constant((out) => out.text("body"));

let requests = 0;

/**
 * Encodes a request for a module of `era`. Field order and sizes are those of the real hosts.
 * Source: waPC and actors reference, sections 11.1 and 16.
 */
export function encodeHttpRequest(era: Era, request: HttpRequest, language: GuestLanguage = "other"): Uint8Array {
  const shape = shapeOf(era, language);
  switch (shape) {
    case "map":
      return encodeMap(request, era === "E4");
    case "array":
      return encodeArray(request);
    case "protobuf":
      return encodeProtobuf(request);
    default:
      return shape satisfies never;
  }
}

function encodeMap({ method, path, queryString, header, body }: HttpRequest, asLists: boolean): Uint8Array {
  const out = msgpack;
  out.begin();
  out.raw(methodKey);
  out.text(method);
  out.raw(pathKey);
  writeHeadText(out, path);
  out.raw(queryKey);
  writeHeadText(out, queryString);
  out.raw(headerKey);
  writeHeader(out, header, asLists);
  out.raw(bodyKey);
  out.bin(body);
  return out.end();
}

function encodeArray({ method, path, queryString, header, body }: HttpRequest): Uint8Array {
  const out = msgpack;
  out.begin();
  out.array(5);
  out.text(method);
  writeHeadText(out, path);
  writeHeadText(out, queryString);
  writeHeader(out, header, false);
  out.byteArray(body);
  return out.end();
}

function encodeProtobuf({ method, path, queryString, header, body }: HttpRequest): Uint8Array {
  protobuf.begin();
  protobuf.text(1, method);
  protobuf.text(2, meant(path));
  protobuf.text(3, meant(queryString));
  for (const [name, values] of grouped(header)) {
    protobuf.message(4, (out) => {
      out.text(1, name);
      out.text(2, values.join(jointOf(name)));
    });
  }
  protobuf.bytes(5, body);
  return protobuf.end();
}

/**
 * Writes the header map straight from the flat list. A repeated name is found on the way by the
 * number of the request it was last seen in; then, and for names that the table does not hold, the
 * map is written again from groups.
 */
function writeHeader(out: MsgpackWriter, header: readonly string[], asLists: boolean): void {
  const most = header.length / 2;
  if (most > 0xffff) return writeGrouped(out, header, asLists);
  const request = ++requests;
  const mark = out.openMap(most);
  let count = 0;
  for (let i = 0; i < header.length; i += 2) {
    const name = headerName(header[i]!);
    if (name === undefined || name.seen === request) {
      out.rewind(mark);
      writeGrouped(out, header, asLists);
      return;
    }
    name.seen = request;
    if (name.hop) continue;
    out.raw(name.encoded);
    if (asLists) out.array(1);
    writeHeadText(out, header[i + 1]!);
    count++;
  }
  out.closeMap(mark, most, count);
}

function writeGrouped(out: MsgpackWriter, header: readonly string[], asLists: boolean): void {
  const groups = grouped(header);
  out.map(groups.size);
  for (const [name, values] of groups) {
    out.text(name);
    if (asLists) out.texts(values);
    else out.text(values.join(jointOf(name)));
  }
}

function grouped(header: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (let i = 0; i < header.length; i += 2) {
    const lower = header[i]!.toLowerCase();
    if (isHopByHop(lower)) continue;
    const value = meant(header[i + 1]!);
    const group = groups.get(lower);
    if (group) group.push(value);
    else groups.set(lower, [value]);
  }
  return groups;
}

/** Text of an HTTP head: ASCII goes straight out, anything else is looked at. */
function writeHeadText(out: MsgpackWriter, text: string): void {
  if (!out.ascii(text)) out.text(meant(text));
}

/** One character per byte, as Node reads HTTP heads, becomes the UTF-8 text that was sent; other text stays. */
function meant(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return text;
  const bytes = Buffer.from(text, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : text;
}
