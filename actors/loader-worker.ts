import { parentPort } from "node:worker_threads";
import { describe, failFrom, isLatticeError, keepCompiled } from "../lattice/index.ts";
import type { FromLoader, ToLoader } from "./loader.ts";
import { ActorModule } from "./module.ts";
import { prepare } from "./prepared.ts";
import { rehearsal } from "./rehearsal.ts";

/** The loader's thread: verifies, instruments and compiles one module after the other. */
const port = parentPort!;
/** A thread with nothing to do for this long rehearses; whoever starts a host may have a module at hand. */
const idleMs = 100;
const pauseMs = 10;
let loads = 0;

port.on("message", (message: ToLoader) => {
  switch (message.type) {
    case "load":
      loads++;
      return port.postMessage(answer(message));
    case "rehearse":
      return rehearseWhenIdle();
    default:
      return message satisfies never;
  }
});
keepCompiled();

function rehearseWhenIdle(): void {
  const seen = loads;
  setTimeout(() => {
    if (loads !== seen) return rehearseWhenIdle();
    const round = rehearsal();
    // Between two rounds a module that has come is loaded, and others have the processor.
    const next = () => {
      if (round()) setTimeout(next, pauseMs).unref();
    };
    next();
  }, idleMs).unref();
}

function answer({ requestId, bytes, origin, limits, trust }: Extract<ToLoader, { type: "load" }>): FromLoader {
  try {
    const verified = ActorModule.fromBytes(bytes, { name: origin, trust });
    return { type: "prepared", requestId, module: prepare(verified, limits) };
  } catch (error) {
    const reason = isLatticeError(error) ? error : failFrom(error, "MODULE_MALFORMED", origin, describe(error));
    return { type: "failed", requestId, error: reason.toWire() };
  }
}
