import type { Census } from "../actors/index.ts";
import type { Provider } from "../capabilities/index.ts";
import type { ActorLogLine, Place } from "./engine-messages.ts";
import type { Limits } from "./limits.ts";
import type { Middleware } from "./middleware.ts";
import type { Policy } from "./policy.ts";
import type { SecretSources } from "./secrets.ts";
import type { ProviderNews } from "./provider-questions.ts";
import type { SpyBatch } from "./spy.ts";
import type { LogForm } from "./stalls/messages.ts";

/** What an engine is made of; the same for one in a thread of its own and one in the caller's. */
export interface EngineOptions {
  readonly place: Place;
  readonly limits: Limits;
  /** Of the whole process. */
  readonly census: Census;
  readonly strict: boolean;
  readonly secrets: SecretSources;
  readonly policy: Policy | undefined;
  readonly middleware: readonly Middleware[];
  /** Several engines listen on one port. */
  readonly sharePorts: boolean;
  /** Provider objects of this thread, by provider id. */
  readonly objects: ReadonlyMap<string, Provider>;
  /** Given to the engine of the caller's thread, which nobody can end: what holds it is told in this form. */
  readonly stalls?: LogForm;
  readonly onLog: (line: ActorLogLine) => void;
  /** What happened to a provider of this engine. */
  readonly onNews: (news: ProviderNews) => void;
  /** Calls that somebody watches. */
  readonly onSpied: (batch: SpyBatch) => void;
  readonly onReport: (
    level: "debug" | "info" | "warn" | "error",
    text: string,
    fields?: Record<string, unknown>,
  ) => void;
}
