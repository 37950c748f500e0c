// A thread for tests of supervision: beats, and misbehaves as it is told.
import { parentPort, workerData } from "node:worker_threads";
import { beat } from "../../host/heartbeat.ts";

const { heartbeat, behaviour } = workerData;
if (behaviour === "hang-while-loading") for (;;);
if (behaviour === "throw-while-loading") throw new Error("cannot load");
beat(heartbeat);
if (behaviour === "hang-before-ready") for (;;);
parentPort.on("message", (what) => {
  if (what === "hang") for (;;);
  if (what === "wait") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (what === "exit") process.exit(3);
  if (what === "throw") throw new Error("broken inside");
  parentPort.postMessage(what);
});
parentPort.postMessage("ready");
