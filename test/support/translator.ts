import type { Middleware } from "../../host/index.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** Says what passes it: on the actor's side in round brackets, on the provider's in square ones. `halt` goes no further. */
const translator: Middleware = {
  name: "translator",
  beforeActor({ operation, payload }) {
    if (operation !== "Echo") return { continue: payload };
    if (text(payload) === "halt") return { halt: Buffer.from("halted") };
    return { continue: Buffer.from(`(${text(payload)}`) };
  },
  afterActor: ({ operation }, reply) => (operation === "Echo" ? Buffer.from(`${text(reply)})`) : reply),
  beforeProvider: ({ payload }) =>
    text(payload) === "halt" ? { halt: Buffer.from("halted") } : { continue: Buffer.from(`[${text(payload)}`) },
  afterProvider: (_invocation, reply) => Buffer.from(`${text(reply)}]`),
};
export default translator;
