import { randomBytes, randomInt } from "node:crypto";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const sequenceEnd = 62 ** 8;

let prefix = "";
let sequence = sequenceEnd;
let step = 0;

/**
 * A NUID: 22 characters of base 62, unique across processes and cheap to make in one; the id of
 * tokens, messages and events. It tells nothing, but it is not secret either.
 * Source: waPC and actors reference, section 5.3.
 */
export function nuid(): string {
  sequence += step;
  if (sequence >= sequenceEnd) {
    prefix = Array.from(randomBytes(14), (byte) => digits[byte % 62]).join("");
    sequence = randomInt(2 ** 40);
    step = randomInt(33, 333);
  }
  let rest = sequence;
  let tail = "";
  for (let place = 0; place < 8; place++) {
    tail = digits[rest % 62]! + tail;
    rest = Math.floor(rest / 62);
  }
  return prefix + tail;
}
