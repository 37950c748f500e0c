/**
 * E2 in AssemblyScript, with the marks of the builds of 2020: exports of the old runtime, the field
 * `expires_s`, and one zero byte too many after each structure it sends.
 *
 * The HTTP paths are those of ../rust/driver.rs; a result is the reply as it came, as JSON:
 * GET /keyvalue/Push?key=a&value=b answers {"result":{"newCount":1}}.
 */
import { consoleLog, handleAbort, handleCall, hostCall, register, Result } from "@wapc/as-guest/assembly";
import { Decoder, Encoder, Sizer, Writer } from "@wapc/as-msgpack/assembly";
import { quote, toJson } from "./json";
import { Query } from "./query";

class Field {
  constructor(
    public name: string,
    public write: (writer: Writer, field: Field) => void,
    public texts: string[] = [],
    public number: i32 = 0,
  ) {}
}

function text(name: string, value: string): Field {
  return new Field(name, (writer, field) => writer.writeString(field.texts[0]), [value]);
}

function bytes(name: string, value: string): Field {
  return new Field(name, (writer, field) => writer.writeByteArray(String.UTF8.encode(field.texts[0])), [value]);
}

function texts(name: string, values: string[]): Field {
  return new Field(
    name,
    (writer, field) => {
      writer.writeArraySize(field.texts.length);
      for (let i = 0; i < field.texts.length; i++) writer.writeString(field.texts[i]);
    },
    values,
  );
}

function number(name: string, value: i32): Field {
  return new Field(name, (writer, field) => writer.writeInt32(field.number), [], value);
}

function flag(name: string, value: bool): Field {
  return new Field(name, (writer, field) => writer.writeBool(field.number != 0), [], value ? 1 : 0);
}

/** A map of these fields, and one zero byte after it. */
function structure(fields: Field[]): ArrayBuffer {
  const sizer = new Sizer();
  writeFields(sizer, fields);
  const buffer = new ArrayBuffer(sizer.length + 1);
  writeFields(new Encoder(buffer), fields);
  return buffer;
}

function writeFields(writer: Writer, fields: Field[]): void {
  writer.writeMapSize(fields.length);
  for (let i = 0; i < fields.length; i++) {
    writer.writeString(fields[i].name);
    fields[i].write(writer, fields[i]);
  }
}

class Request {
  path: string = "";
  query: Query = new Query("");
  body: ArrayBuffer = new ArrayBuffer(0);

  constructor(payload: ArrayBuffer) {
    const reader = new Decoder(payload);
    for (let fields = reader.readMapSize(); fields > 0; fields--) {
      const name = reader.readString();
      if (name == "path") this.path = reader.readString();
      else if (name == "queryString") this.query = new Query(reader.readString());
      else if (name == "body") this.body = reader.readByteArray();
      else reader.skip();
    }
  }
}

function keyvalue(operation: string, query: Query): Result<ArrayBuffer> {
  const key = text("key", query.text("key"));
  const value = text("value", query.text("value"));
  let fields: Field[] = [key];
  if (operation == "Add") fields = [key, number("value", query.number("value"))];
  else if (operation == "Set") fields = [key, value, number("expires_s", query.number("expires"))];
  else if (operation == "Range") fields = [key, number("start", query.number("start")), number("stop", query.number("stop"))];
  else if (operation == "SetUnion" || operation == "SetIntersection") fields = [texts("keys", query.all("keys"))];
  else if (["Push", "ListItemDelete", "SetAdd", "SetRemove"].includes(operation)) fields = [key, value];
  return hostCall("default", "wascc:keyvalue", operation, structure(fields));
}

function log(level: string, line: string): Result<ArrayBuffer> {
  if (level == "console") {
    consoleLog(line);
    return Result.ok<ArrayBuffer>(new ArrayBuffer(0));
  }
  const levels = ["off", "error", "warn", "info", "debug", "trace"];
  const entry = [number("level", levels.indexOf(level)), text("body", line)];
  return hostCall("default", "wascc:logging", "WriteLog", structure(entry));
}

function numbers(which: string, query: Query): Result<ArrayBuffer> {
  const operation = which == "guid" ? "RequestGuid" : which == "sequence" ? "RequestSequence" : "RequestRandom";
  const request = [
    flag("guid", which == "guid"),
    flag("sequence", which == "sequence"),
    flag("random", which == "random"),
    number("min", query.number("min")),
    number("max", query.number("max")),
  ];
  return hostCall("default", "wascc:extras", operation, structure(request));
}

function publish(subject: string, replyTo: string, body: string): Result<ArrayBuffer> {
  const message = [text("subject", subject), text("replyTo", replyTo), bytes("body", body)];
  return hostCall("default", "wascc:messaging", "Publish", structure(message));
}

function handleRequest(payload: ArrayBuffer): Result<ArrayBuffer> {
  const request = new Request(payload);
  const query = request.query;
  const parts = request.path.split("/");
  const area = parts.length > 1 ? parts[1] : "";
  const operation = parts.length > 2 ? parts[2] : "";
  let reply: Result<ArrayBuffer>;
  if (area == "keyvalue") reply = keyvalue(operation, query);
  else if (area == "logging") reply = log(operation, query.text("text"));
  else if (area == "numbers") reply = numbers(operation, query);
  else if (area == "messaging" && operation == "Publish") {
    reply = publish(query.text("subject"), query.text("reply"), query.text("body"));
  } else if (area == "messaging" && operation == "Request") {
    const ask = [text("subject", query.text("subject")), bytes("body", query.text("body")), number("timeout", query.number("timeout"))];
    reply = hostCall("default", "wascc:messaging", "Request", structure(ask));
    if (reply.isOk) return respond(200, '{"result":' + quote(String.UTF8.decode(reply.get())) + "}");
  } else if (area == "call") {
    reply = hostCall("default", query.text("target"), query.text("operation"), request.body);
    if (reply.isOk) return response(200, reply.get());
  } else {
    const add = [text("key", request.path.replaceAll("/", ":")), number("value", 1)];
    reply = hostCall("default", "wascc:keyvalue", "Add", structure(add));
    if (reply.isOk) return respond(200, '{"counter":' + toJson(reply.get()).replace('{"value":', ""));
  }
  if (reply.isOk) return respond(200, '{"result":' + toJson(reply.get()) + "}");
  return respond(500, '{"error":' + quote(reply.error()!.message) + "}");
}

function respond(status: i32, json: string): Result<ArrayBuffer> {
  return response(status, String.UTF8.encode(json));
}

function response(status: i32, body: ArrayBuffer): Result<ArrayBuffer> {
  const sizer = new Sizer();
  writeResponse(sizer, status, body);
  const buffer = new ArrayBuffer(sizer.length + 1);
  writeResponse(new Encoder(buffer), status, body);
  return Result.ok<ArrayBuffer>(buffer);
}

function writeResponse(writer: Writer, status: i32, body: ArrayBuffer): void {
  writer.writeMapSize(4);
  writer.writeString("statusCode");
  writer.writeUInt32(status);
  writer.writeString("status");
  writer.writeString(status == 200 ? "OK" : "Internal Server Error");
  writer.writeString("header");
  writer.writeMapSize(0);
  writer.writeString("body");
  writer.writeByteArray(body);
}

function deliverMessage(payload: ArrayBuffer): Result<ArrayBuffer> {
  let subject = "";
  let replyTo = "";
  let body = new ArrayBuffer(0);
  const reader = new Decoder(payload);
  for (let fields = reader.readMapSize(); fields > 0; fields--) {
    const name = reader.readString();
    if (name == "subject") subject = reader.readString();
    else if (name == "replyTo") replyTo = reader.readString();
    else if (name == "body") body = reader.readByteArray();
    else reader.skip();
  }
  log("info", "message on " + subject + ", " + body.byteLength.toString() + " bytes");
  if (replyTo == "") return Result.ok<ArrayBuffer>(new ArrayBuffer(0));
  const sent = publish(replyTo, "", "reply: " + String.UTF8.decode(body));
  return sent.isOk ? Result.ok<ArrayBuffer>(new ArrayBuffer(0)) : sent;
}

register("HandleRequest", handleRequest);
register("DeliverMessage", deliverMessage);
register("HealthRequest", (payload: ArrayBuffer): Result<ArrayBuffer> => Result.ok<ArrayBuffer>(new ArrayBuffer(0)));

export function __guest_call(operationLength: usize, payloadLength: usize): bool {
  return handleCall(operationLength, payloadLength);
}

export function __alloc(size: usize, id: u32): usize {
  return __new(size, id);
}
export function __retain(pointer: usize): usize {
  return __pin(pointer);
}
export function __release(pointer: usize): void {
  __unpin(pointer);
}

function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  handleAbort(message, file, line, column);
}
