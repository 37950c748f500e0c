/**
 * Counts the requests of each path in a key-value store: `GET /tea` answers `{"counter":1,"path":"/tea"}`.
 *
 * Written with the waPC SDK for AssemblyScript. It speaks the MessagePack maps of 2021: operation
 * `HandleRequest`, contracts wasmcloud:httpserver and wasmcloud:keyvalue.
 */
import { handleAbort, handleCall, hostCall, register, Result } from "@wapc/as-guest/assembly";
import { Decoder, Encoder, Sizer, Writer } from "@wapc/as-msgpack/assembly";

register("HandleRequest", handleRequest);

function handleRequest(payload: ArrayBuffer): Result<ArrayBuffer> {
  const path = pathOf(payload);
  const counted = increment(path.replaceAll("/", ":"));
  if (!counted.isOk) return Result.error<ArrayBuffer>(counted.error()!);
  return Result.ok(jsonResponse('{"counter":' + counted.get().toString() + ',"path":' + quoted(path) + "}"));
}

/** Of `{method, path, queryString, header, body}` only the path matters here. */
function pathOf(payload: ArrayBuffer): string {
  const reader = new Decoder(payload);
  let path = "";
  for (let fields = reader.readMapSize(); fields > 0; fields--) {
    if (reader.readString() == "path") path = reader.readString();
    else reader.skip();
  }
  return path;
}

/** Asks the key-value store to add one: `Add {key, value}` answers `{value}`. */
function increment(key: string): Result<i32> {
  const sizer = new Sizer();
  writeAdd(sizer, key);
  const payload = new ArrayBuffer(sizer.length);
  writeAdd(new Encoder(payload), key);

  const reply = hostCall("default", "wasmcloud:keyvalue", "Add", payload);
  if (!reply.isOk) return Result.error<i32>(reply.error()!);
  const reader = new Decoder(reply.get());
  let value: i32 = 0;
  for (let fields = reader.readMapSize(); fields > 0; fields--) {
    if (reader.readString() == "value") value = reader.readInt32();
    else reader.skip();
  }
  return Result.ok<i32>(value);
}

function writeAdd(writer: Writer, key: string): void {
  writer.writeMapSize(2);
  writer.writeString("key");
  writer.writeString(key);
  writer.writeString("value");
  writer.writeInt32(1);
}

function jsonResponse(json: string): ArrayBuffer {
  const body = String.UTF8.encode(json);
  const sizer = new Sizer();
  writeResponse(sizer, body);
  const response = new ArrayBuffer(sizer.length);
  writeResponse(new Encoder(response), body);
  return response;
}

function writeResponse(writer: Writer, body: ArrayBuffer): void {
  writer.writeMapSize(4);
  writer.writeString("statusCode");
  writer.writeUInt32(200);
  writer.writeString("status");
  writer.writeString("OK");
  writer.writeString("header");
  writer.writeMapSize(1);
  writer.writeString("content-type");
  writer.writeString("application/json");
  writer.writeString("body");
  writer.writeByteArray(body);
}

/** A JSON string; a path holds no control characters. */
function quoted(text: string): string {
  return '"' + text.replaceAll("\\", "\\\\").replaceAll('"', '\\"') + '"';
}

export function __guest_call(operationLength: usize, payloadLength: usize): bool {
  return handleCall(operationLength, payloadLength);
}

/** A throw ends here: its text becomes the guest's error, then the call traps. */
function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  handleAbort(message, file, line, column);
}
