import type { Request } from "./messages.ts";

/** What a provider may be in, as its author knows it; the number of each is told over shared memory. */
const steps = {
  load: "its module",
  start: "start",
  "put-link": "putLink",
  "delete-link": "deleteLink",
  call: "handle",
  export: "exportEntries",
  import: "importEntries",
  count: "countEntries",
  clear: "clearEntries",
  health: "health",
  drain: "drain",
  stop: "stop",
} as const satisfies Record<Request["type"], string>;

const numbers = new Map(Object.keys(steps).map((type, at) => [type, at + 1]));

export function stepNumber(type: Request["type"]): number {
  return numbers.get(type) ?? 0;
}

/** By the name of the provider's function. */
export function stepNumberOf(text: string): number {
  return Object.values<string>(steps).indexOf(text) + 1;
}

/** 0 stands for what no request began: a timer, a socket, what follows an `await`. */
export function stepText(number: number): string {
  return Object.values(steps)[number - 1] ?? "something it does by itself or after an await";
}
