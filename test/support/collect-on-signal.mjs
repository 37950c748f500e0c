// Loaded by --import into every thread of a host: SIGUSR2 makes all of them collect their garbage, so
// that a test sees what is still held and not what nobody has looked at yet.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BroadcastChannel, isMainThread } from "node:worker_threads";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const channel = new BroadcastChannel("collect garbage");
channel.addEventListener("message", () => setImmediate(() => collect()));
channel.unref();

if (isMainThread) {
  process.on("SIGUSR2", () => {
    channel.postMessage("now");
    collect();
  });
}
