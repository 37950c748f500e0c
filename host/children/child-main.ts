import { Socket } from "node:net";
import { ChildSide } from "./child-side.ts";

/** Entry of a child process: the pipe to its host is file descriptor 3. */
const side = new ChildSide(new Socket({ fd: 3, readable: true, writable: true }), () => process.exit(0));
process.on("unhandledRejection", (error) => side.report("error", "a rejected promise was left alone", error));
process.on("uncaughtException", (error) => {
  side.report("error", "it ends for an error that nobody caught", error);
  setImmediate(() => process.exit(1));
});
// Ctrl-C in the host's terminal is the host's business.
process.on("SIGINT", () => {});
