import { randomInt } from "node:crypto";

/** Any of the 2^32 numbers, each as likely. */
export function random32(): number {
  return randomInt(2 ** 32);
}

/** A number from `min` to `max`, both possible, each as likely. */
export function randomInRange(min: number, max: number): number {
  return randomInt(min, max + 1);
}
