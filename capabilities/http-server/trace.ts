import { randomBytes } from "node:crypto";

const first = 0x1000_0000;
const last = 0xffff_ffff;

let traceStart = "";
let spanStart = "";
let counter = last;

/**
 * A `traceparent` for a request that came without: unique ids, not sampled. Random once per four
 * thousand million, counted in between, since 16 random bytes for each request cost more than the
 * rest of the head. Source: W3C Trace Context, section 3.2.
 */
export function newTraceparent(): string {
  if (counter === last) {
    traceStart = `00-${randomBytes(12).toString("hex")}`;
    spanStart = randomBytes(4).toString("hex");
    counter = first;
  }
  const number = (++counter).toString(16);
  return `${traceStart}${number}-${spanStart}${number}-00`;
}

/** The 32 hex digits that name a trace. */
export function traceId(traceparent: string): string {
  return traceparent.slice(3, 35);
}
