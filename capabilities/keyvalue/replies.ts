import type { Era } from "../../lattice/index.ts";
import { type MsgpackWriter, constant, msgpack } from "../codec/msgpack-writer.ts";
import { protobuf } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";
import type { Value } from "./store.ts";

/** Writes an answer for a caller of `era`. */
export type ReplyWriter<T> = (answer: T, era: Era) => Uint8Array;

const empty = new Uint8Array(0);
const yes = constant((out) => out.bool(true));
const no = constant((out) => out.bool(false));
const valueHead = constant((out) => {
  out.map(1);
  out.text("value");
});
const gotHead = constant((out) => {
  out.map(2);
  out.text("value");
});
const existsKey = constant((out) => out.text("exists"));

function writeValue(out: MsgpackWriter, value: Value): void {
  if (typeof value === "string") out.text(value);
  else out.bin(value);
}

/** `{value: i32}` of Add. */
export const sum: ReplyWriter<number> = (answer, era) => {
  switch (shapeOf(era)) {
    case "protobuf":
      protobuf.begin();
      protobuf.number(1, answer);
      return protobuf.end();
    case "array":
      msgpack.begin();
      msgpack.array(1);
      break;
    case "map":
      msgpack.begin();
      msgpack.raw(valueHead);
  }
  msgpack.int(answer);
  return msgpack.end();
};

/** `{value, exists}` of Get and KeyExists, in every era. */
export const got: ReplyWriter<{ readonly value: Value; readonly exists: boolean }> = ({ value, exists }, era) => {
  switch (shapeOf(era)) {
    case "protobuf":
      protobuf.begin();
      protobuf.bytes(1, typeof value === "string" ? Buffer.from(value) : value);
      protobuf.number(2, Number(exists));
      return protobuf.end();
    case "array":
      msgpack.begin();
      msgpack.array(2);
      writeValue(msgpack, value);
      break;
    case "map":
      msgpack.begin();
      msgpack.raw(gotHead);
      writeValue(msgpack, value);
      msgpack.raw(existsKey);
  }
  msgpack.bool(exists);
  return msgpack.end();
};

/** A struct of one text: `{value}` of Set, `{key}` of Del. */
function oneText(name: string): ReplyWriter<Value> {
  return (answer, era) => {
    if (shapeOf(era) === "protobuf") {
      protobuf.begin();
      protobuf.bytes(1, typeof answer === "string" ? Buffer.from(answer) : answer);
      return protobuf.end();
    }
    msgpack.begin();
    if (shapeOf(era) === "array") msgpack.array(1);
    else {
      msgpack.map(1);
      msgpack.text(name);
    }
    writeValue(msgpack, answer);
    return msgpack.end();
  };
}

export const setValue: ReplyWriter<Value> = oneText("value");
export const deletedKey: ReplyWriter<Value> = oneText("key");

/** `newCount` of E2 is `new_count` for some guests of E3: maps carry both. */
export const newCount: ReplyWriter<number> = (answer, era) => counted(answer, era, undefined);

/** Clear answers `{newCount}` in the first years and `{key}` in E3: maps carry all three. */
export const cleared: ReplyWriter<string> = (key, era) => counted(0, era, key);

function counted(count: number, era: Era, key: string | undefined): Uint8Array {
  if (shapeOf(era) === "protobuf") {
    protobuf.begin();
    protobuf.number(1, count);
    return protobuf.end();
  }
  msgpack.begin();
  if (shapeOf(era) === "array") {
    msgpack.array(1);
    msgpack.int(count);
    return msgpack.end();
  }
  msgpack.map(key === undefined ? 2 : 3);
  msgpack.text("newCount");
  msgpack.int(count);
  msgpack.text("new_count");
  msgpack.int(count);
  if (key !== undefined) {
    msgpack.text("key");
    msgpack.text(key);
  }
  return msgpack.end();
}

/** `{values: [str]}` of Range and the set operations. */
export const wrappedTexts: ReplyWriter<readonly string[]> = (answer, era) => {
  if (shapeOf(era) === "protobuf") {
    protobuf.begin();
    protobuf.texts(1, answer);
    return protobuf.end();
  }
  msgpack.begin();
  if (shapeOf(era) === "array") msgpack.array(1);
  else {
    msgpack.map(1);
    msgpack.text("values");
  }
  msgpack.texts(answer);
  return msgpack.end();
};

/** E4 answers scalars and lists bare. */
export const bareInt: ReplyWriter<number> = (answer) => {
  msgpack.begin();
  msgpack.int(answer);
  return msgpack.end();
};
/** One of two arrays that are shared by all answers. */
export const bareBool: ReplyWriter<boolean> = (answer) => (answer ? yes : no);
export const bareTexts: ReplyWriter<readonly string[]> = (answer) => {
  msgpack.begin();
  msgpack.texts(answer);
  return msgpack.end();
};
export const nothing: ReplyWriter<void> = () => empty;
