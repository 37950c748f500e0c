/** Entry of the thread of a provider's module. */
import { type MessagePort, workerData } from "node:worker_threads";
import { beat } from "../heartbeat.ts";
import { ChildSide } from "./child-side.ts";
import { PortStream } from "./port-stream.ts";

export interface ProviderThreadData {
  /** To the host. */
  readonly port: MessagePort;
  /** Two words: the beats of this thread, and the step of the provider that it is in. */
  readonly heart: SharedArrayBuffer;
}

const { port, heart } = workerData as ProviderThreadData;
const words = new Int32Array(heart);
beat(heart);
const side = new ChildSide(
  new PortStream(port),
  () => process.exit(0),
  (step) => Atomics.store(words, 1, step),
);
process.on("unhandledRejection", (error) => side.report("error", "a rejected promise was left alone", error));
