export {
  Host,
  startHost,
  type CallOptions,
  type LinkOptions,
  type StartActorOptions,
  type StartProviderOptions,
} from "./host.ts";
export { type HostOptions, type HostConfig, compileOptions } from "./options.ts";
export { limitTable, type LimitName, type Limits } from "./limits.ts";
export type { ActorHandle, ProviderHandle, LinkRecord } from "./wanted.ts";
export type { Inventory } from "./inventory.ts";
export { inventory, hostRecord, snapshot } from "./inventory.ts";
export { explain, type Explanation, type ExplainStep } from "./explain.ts";
export type { Policy, PolicyDecision, PolicyRequest } from "./policy.ts";
export { allowed } from "./policy.ts";
export type { BeforeStep, Middleware } from "./middleware.ts";
export { verbsOf } from "./verbs.ts";
export { type Verb, type Verbs, type VerbContext, findVerb } from "./verb-table.ts";
export { version } from "./version.ts";
export { runDirectory, shortRunDirectory, stateDirectory } from "./state-directory.ts";
