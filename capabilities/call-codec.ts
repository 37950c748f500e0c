import { type Era, type GuestLanguage, type MsgpackValue, checkMsgpack, pack, unpack } from "../lattice/index.ts";
import { type Json, bytesOfJson, jsonOfBytes, jsonOfValue } from "./codec/json.ts";
import { Malformed, payloadError } from "./codec/malformed.ts";
import { shapeOf } from "./codec/shape.ts";
import { decodeHttpReply } from "./http-server/reply.ts";
import { encodeHttpRequest } from "./http-server/request-encoder.ts";
import { deliverOperation, encodeDelivery } from "./messaging/contract.ts";

/**
 * Calls typed by hand: JSON in, JSON out, encoded as the module's era and the operation want it.
 * Source: waPC and actors reference, sections 11.0, 11.1 and 11.4.
 */

const none: Uint8Array = new Uint8Array(0);
const httpOperations = new Set(["HandleRequest", "HttpServer.HandleRequest"]);
const healthOperations = new Set(["HealthRequest", "Actor.HealthRequest"]);
const messageOperations = new Set(["DeliverMessage", "HandleMessage", "MessageSubscriber.HandleMessage"]);
const describeOperations = new Set(["GetCapabilityDescriptor", "IdentifyCapability"]);

/** The operation by which modules of an era say how they are. */
export function healthOperation(era: Era): string {
  return era === "E4" ? "Actor.HealthRequest" : "HealthRequest";
}

/**
 * Encodes what a person gave for an operation. HTTP requests: `{method, path, queryString, header,
 * body}`, all optional; messages: `{subject, replyTo, body}`; where bytes belong, text means its
 * UTF-8 and `{"base64": "..."}` any bytes. Other operations: MessagePack of the value; era E1 takes
 * the values of an object in order, E0 takes text only, as it is. Without a value the operation gets
 * what stands for none.
 * @throws LatticeError PAYLOAD_MALFORMED
 */
export function encodeOperation(era: Era, language: GuestLanguage, operation: string, value?: unknown): Uint8Array {
  try {
    if (httpOperations.has(operation)) return encodeHttp(era, language, operation, value);
    if (messageOperations.has(operation)) return encodeMessage(era, language, operation, value);
    if (value === undefined && healthOperations.has(operation)) return healthRequest(era, language);
    if (value === undefined && describeOperations.has(operation)) return pack({ placeholder: false });
    if (value === undefined) return none;
    const shape = shapeOf(era, language);
    if (shape === "protobuf") {
      if (typeof value === "string") return new TextEncoder().encode(value);
      throw new Malformed("modules of era E0 take protobuf: give text or --hex");
    }
    const packable = shape === "array" && isObject(value) ? Object.values(value) : value;
    return pack(packable as MsgpackValue, operation);
  } catch (error) {
    throw payloadError(operation, error);
  }
}

/**
 * Decodes a reply for a person. HTTP replies: `{statusCode, header, body}`, header values as text or
 * a list of it; health: `{healthy, message?}`; others: the MessagePack value, null when there is
 * none, text when the bytes are no MessagePack but UTF-8, else `{"base64": "..."}`.
 * @throws LatticeError REPLY_MALFORMED for an HTTP reply that cannot be read
 */
export function decodeReply(era: Era, operation: string, bytes: Uint8Array): Json {
  if (httpOperations.has(operation)) return httpJson(era, bytes);
  const value = anyJson(era, operation, bytes);
  // Modules of the first eras answer nothing or nil when they are well.
  if (healthOperations.has(operation) && !isObject(value)) return { healthy: true };
  return value;
}

function encodeHttp(era: Era, language: GuestLanguage, operation: string, value: unknown): Uint8Array {
  const given = fieldsOf(value, ["method", "path", "queryString", "query", "header", "headers", "body"]);
  const path = textOf(given["path"], "path", "/");
  const query = path.indexOf("?");
  const body = given["body"];
  const header = headerOf(given["header"] ?? given["headers"]);
  const request = {
    method: textOf(given["method"], "method", body === undefined ? "GET" : "POST"),
    path: query < 0 ? path : path.slice(0, query),
    queryString: textOf(given["queryString"] ?? given["query"], "queryString", query < 0 ? "" : path.slice(query + 1)),
    header,
    body: bytesOfJson(body),
  };
  if (operation.includes(".") !== (era === "E4")) throw new Malformed(`modules of era ${era} have no such operation`);
  return encodeHttpRequest(era, request, language);
}

function headerOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (!isObject(value)) throw new Malformed("header is an object of names and values");
  return Object.entries(value).flatMap(([name, its]) =>
    (Array.isArray(its) ? its : [its]).flatMap((each: unknown) => [name, textOf(each, `header ${name}`, "")]),
  );
}

function encodeMessage(era: Era, language: GuestLanguage, operation: string, value: unknown): Uint8Array {
  if (operation !== deliverOperation(era)) throw new Malformed(`modules of era ${era} take ${deliverOperation(era)}`);
  const { subject, replyTo, reply_to: alternative, body } = fieldsOf(value, ["subject", "replyTo", "reply_to", "body"]);
  return encodeDelivery(
    era,
    {
      subject: textOf(subject, "subject", ""),
      replyTo: textOf(replyTo ?? alternative, "replyTo", ""),
      body: bytesOfJson(body),
    },
    language,
  );
}

/** E0: nothing; E1: `[false]`; E2 and E3 fail without a field; E4 wants a map, empty will do. */
function healthRequest(era: Era, language: GuestLanguage): Uint8Array {
  if (era === "E4") return pack({});
  const shape = shapeOf(era, language);
  return shape === "protobuf" ? none : pack(shape === "array" ? [false] : { placeholder: false });
}

function httpJson(era: Era, bytes: Uint8Array): Json {
  const { statusCode, header, body } = decodeHttpReply(era, bytes);
  const grouped: Record<string, Json> = {};
  for (let i = 0; i < header.length; i += 2) {
    const name = header[i]!;
    const value = header[i + 1]!;
    const before = Object.hasOwn(grouped, name) ? grouped[name]! : undefined;
    grouped[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return { statusCode, header: grouped, body: jsonOfBytes(body) };
}

function anyJson(era: Era, operation: string, bytes: Uint8Array): Json {
  if (bytes.length === 0) return null;
  const { end } = checkMsgpack(bytes);
  // AssemblyScript guests add one zero byte; anything else after the value means that it is none.
  const whole = end === bytes.length || (end === bytes.length - 1 && bytes.at(-1) === 0);
  if (era === "E0" || !whole) return jsonOfBytes(bytes);
  try {
    return jsonOfValue(unpack(bytes, operation));
  } catch {
    // A whole value that JSON cannot hold, such as a map for a key.
    return jsonOfBytes(bytes);
  }
}

function fieldsOf(value: unknown, known: readonly string[]): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new Malformed(`give an object with ${known.join(", ")}`);
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Malformed(`${unknown.join(", ")}: not among ${known.join(", ")}`);
  return value;
}

function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown, name: string, standard: string): string {
  if (value === undefined || value === null) return standard;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new Malformed(`${name} is no text`);
}
