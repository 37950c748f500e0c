import { parentPort } from "node:worker_threads";
import { describe, failFrom, isLatticeError, keepCompiled } from "../lattice/index.ts";
import type { FromLoader, ToLoader } from "./loader.ts";
import { ActorModule } from "./module.ts";
import { prepare } from "./prepared.ts";

/** The loader's thread: verifies, instruments and compiles one module after the other. */
const port = parentPort!;

port.on("message", (message: ToLoader) => port.postMessage(answer(message)));
keepCompiled();

function answer({ requestId, bytes, origin, limits, trust }: ToLoader): FromLoader {
  try {
    const verified = ActorModule.fromBytes(bytes, { name: origin, trust });
    return { type: "prepared", requestId, module: prepare(verified, limits) };
  } catch (error) {
    const reason = isLatticeError(error) ? error : failFrom(error, "MODULE_MALFORMED", origin, describe(error));
    return { type: "failed", requestId, error: reason.toWire() };
  }
}
