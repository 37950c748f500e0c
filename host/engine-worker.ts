/** Entry of an engine's thread. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Census } from "../actors/index.ts";
import type { EngineResult, FromEngine, Place, ToEngine } from "./engine-messages.ts";
import { Engine } from "./engine.ts";
import { beat } from "./heartbeat.ts";
import { LogBatch } from "./log-batch.ts";
import type { Limits } from "./limits.ts";
import { relayedPolicy } from "./policy-relay.ts";
import { both } from "./policy.ts";
import type { SecretSources } from "./secrets.ts";
import { loadExtensions } from "./extensions.ts";
import { describe } from "../lattice/index.ts";
import { asLatticeError, Wire } from "./wire.ts";

export interface EngineWorkerData {
  readonly place: Place;
  readonly limits: Limits;
  /** The census of the process. */
  readonly census: { readonly limit: number; readonly shared: SharedArrayBuffer };
  readonly strict: boolean;
  readonly secrets: SecretSources;
  readonly sharePorts: boolean;
  readonly extensions: { readonly policy: string | undefined; readonly middleware: readonly string[] };
  /** Where this engine asks what its supervisor's policy decides, when there is one. */
  readonly policyPort?: MessagePort;
  /** One counter that this thread raises while it lives; the supervisor reads it. */
  readonly heartbeat: SharedArrayBuffer;
}

const port = parentPort!;
const data = workerData as EngineWorkerData;
/** Log lines of one actor passed on at once. */
const mostLogLines = 200;
const send = (message: FromEngine) => port.postMessage(message);

beat(data.heartbeat);
const { policy: own, middleware } = await loadExtensions(data.extensions);
const policy = data.policyPort ? both(own, relayedPolicy(data.policyPort)) : own;
const { logLines, logLineChars } = data.limits;
const logs = new LogBatch({
  lines: Math.min(logLines, mostLogLines),
  lineChars: logLineChars,
  send: (lines) => send({ type: "log", lines }),
});
const engine = new Engine({
  place: data.place,
  limits: data.limits,
  census: new Census(data.census.limit, data.census.shared, data.place),
  strict: data.strict,
  secrets: data.secrets,
  policy,
  middleware,
  sharePorts: data.sharePorts,
  objects: new Map(),
  onLog: (line) => logs.add(line),
  onSpied: (batch) => send({ type: "spied", batch }),
  onNews: (news) => send({ type: "provider-news", news }),
  onReport: (level, text, fields) => send({ type: "report", level, text, ...(fields ? { fields } : {}) }),
});

// Of a provider's own making, as a rule; the calls of others must not end for it.
process.on("unhandledRejection", (reason) =>
  send({ type: "report", level: "error", text: `a rejected promise was left alone: ${describe(reason)}` }),
);
port.on("message", (message: ToEngine) => {
  switch (message.type) {
    case "change":
      return answer(message.requestId, engine.apply(message.change));
    case "stats":
      return answer(message.requestId, engine.stats());
    case "ask-provider":
      return answer(message.requestId, engine.ask(message.question));
    case "drain":
      return answer(message.requestId, engine.drain(message.deadlineMs));
    case "peer":
      return engine.connect(
        message.place,
        new Wire(message.port, message.place, (invocation, away, course) => engine.answer(invocation, away, course)),
      );
    case "stop":
      return answer(message.requestId, engine.stop());
    default:
      return message satisfies never;
  }
});
send({ type: "ready" });

/** What was logged before goes first, so that the log of what stops is whole. */
function answer(requestId: number, work: Promise<EngineResult | void>): void {
  work.then(
    (result) => {
      logs.flush();
      send({ type: "done", requestId, result: result ?? undefined });
    },
    (error: unknown) => send({ type: "failed", requestId, error: asLatticeError(error, "a change").toWire() }),
  );
}
