import type { Middleware } from "../../host/index.ts";

/** Lets a test hurt the engine that runs a call: host code that never comes back, or ends the thread. */
const unruly: Middleware = {
  name: "unruly",
  beforeActor({ operation, payload }) {
    if (operation === "test.Spin") for (;;);
    if (operation === "test.Exit") process.exit(3);
    // Whoever wrote this forgot to wait for it.
    if (operation === "test.Reject") void Promise.reject(new Error("nobody waits for this"));
    return { continue: payload };
  },
};
export default unruly;
