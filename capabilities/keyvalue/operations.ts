import type { Era } from "../../lattice/index.ts";
import { Malformed } from "../codec/malformed.ts";
import {
  type ReplyWriter,
  bareBool,
  bareInt,
  bareTexts,
  cleared,
  deletedKey,
  got,
  newCount,
  nothing,
  setValue,
  sum,
  wrappedTexts,
} from "./replies.ts";
import { type Parameter, type Parameters, type RequestForm, readParameters } from "./requests.ts";
import type { Answer, KeyvalueStore, Value } from "./store.ts";

/** One operation of the contract: bytes in, bytes out, at once when the store answers at once. */
export type Operation = (store: KeyvalueStore, era: Era, payload: Uint8Array) => Answer<Uint8Array>;

function operation<T>(
  form: RequestForm,
  run: (store: KeyvalueStore, parameters: Parameters) => Answer<T>,
  reply: ReplyWriter<T>,
): Operation {
  return (store, era, payload) => {
    const answer = run(store, readParameters(form, era, payload));
    return answer instanceof Promise ? answer.then((value) => reply(value, era)) : reply(answer, era);
  };
}

const struct = (...parameters: Parameter[]): RequestForm => ({ parameters, bare: false });
const bare = (parameter: Parameter): RequestForm => ({ parameters: [parameter], bare: true });
const oneKey = struct("key");
const keyAndValue = struct("key", "value");
const keyAndAmount = struct("key", "amount");
const keyValueExpires = struct("key", "value", "expires");
const keyStartStop = struct("key", "start", "stop");
const manyKeys = struct("keys");

/** Items of lists and members of sets are text in every era. */
function text(value: Value): string {
  if (typeof value !== "string") throw new Malformed("an item is not UTF-8");
  return value;
}

/** Goes on with an answer whether it is there or comes. */
function after<A, B>(answer: Answer<A>, then: (value: A) => B): Answer<B> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}

const absent = { value: "", exists: false } as const;
const get = (store: KeyvalueStore, { key }: Parameters) =>
  after(store.get(key), (value) => (value === undefined ? absent : { value, exists: true }));

function set(store: KeyvalueStore, { key, value, expires }: Parameters): Answer<Value> {
  if (expires < 0) throw new Malformed("it expires in the past");
  return after(store.set(key, value, expires), () => value);
}

/**
 * Every operation of both eras by name. Names tell the eras apart, so an actor is free to speak
 * either; the encoding is its own era's. Source: waPC and actors reference, section 11.3.
 */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  // E0 to E3
  ["Add", operation(keyAndAmount, (store, { key, amount }) => store.increment(key, amount), sum)],
  ["Get", operation(oneKey, get, got)],
  ["Set", operation(keyValueExpires, set, setValue)],
  ["Del", operation(oneKey, (store, { key }) => after(store.delete(key), (): Value => key), deletedKey)],
  ["Clear", operation(oneKey, (store, { key }) => after(store.delete(key), () => key), cleared)],
  ["Range", operation(keyStartStop, (store, { key, start, stop }) => store.listRange(key, start, stop), wrappedTexts)],
  ["Push", operation(keyAndValue, (store, { key, value }) => store.listAdd(key, text(value)), newCount)],
  [
    "ListItemDelete",
    operation(keyAndValue, (store, { key, value }) => store.listRemoveAll(key, text(value)), newCount),
  ],
  [
    "SetAdd",
    operation(
      keyAndValue,
      (store, { key, value }) => after(store.setAdd(key, text(value)), ({ size }) => size),
      newCount,
    ),
  ],
  [
    "SetRemove",
    operation(
      keyAndValue,
      (store, { key, value }) => after(store.setRemove(key, text(value)), ({ size }) => size),
      newCount,
    ),
  ],
  ["SetUnion", operation(manyKeys, (store, { keys }) => store.setUnion(keys), wrappedTexts)],
  ["SetIntersection", operation(manyKeys, (store, { keys }) => store.setIntersection(keys), wrappedTexts)],
  ["SetQuery", operation(oneKey, (store, { key }) => store.setQuery(key), wrappedTexts)],
  [
    "KeyExists",
    operation(oneKey, (store, { key }) => after(store.contains(key), (exists) => ({ value: "", exists })), got),
  ],
  // E4
  ["KeyValue.Increment", operation(keyAndAmount, (store, { key, amount }) => store.increment(key, amount), bareInt)],
  ["KeyValue.Contains", operation(bare("key"), (store, { key }) => store.contains(key), bareBool)],
  ["KeyValue.Get", operation(bare("key"), get, got)],
  [
    "KeyValue.Set",
    operation(keyValueExpires, (store, parameters) => after(set(store, parameters), () => undefined), nothing),
  ],
  ["KeyValue.Del", operation(bare("key"), (store, { key }) => store.delete(key), bareBool)],
  ["KeyValue.ListAdd", operation(keyAndValue, (store, { key, value }) => store.listAdd(key, text(value)), bareInt)],
  [
    "KeyValue.ListDel",
    operation(keyAndValue, (store, { key, value }) => store.listRemoveFirst(key, text(value)), bareBool),
  ],
  ["KeyValue.ListClear", operation(bare("key"), (store, { key }) => store.delete(key), bareBool)],
  [
    "KeyValue.ListRange",
    operation(keyStartStop, (store, { key, start, stop }) => store.listRange(key, start, stop), bareTexts),
  ],
  [
    "KeyValue.SetAdd",
    operation(
      keyAndValue,
      (store, { key, value }) => after(store.setAdd(key, text(value)), ({ changed }) => changed),
      bareInt,
    ),
  ],
  [
    "KeyValue.SetDel",
    operation(
      keyAndValue,
      (store, { key, value }) => after(store.setRemove(key, text(value)), ({ changed }) => changed),
      bareInt,
    ),
  ],
  ["KeyValue.SetUnion", operation(bare("keys"), (store, { keys }) => store.setUnion(keys), bareTexts)],
  ["KeyValue.SetIntersection", operation(bare("keys"), (store, { keys }) => store.setIntersection(keys), bareTexts)],
  ["KeyValue.SetQuery", operation(bare("key"), (store, { key }) => store.setQuery(key), bareTexts)],
  ["KeyValue.SetClear", operation(bare("key"), (store, { key }) => store.delete(key), bareBool)],
]);
