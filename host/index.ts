export {
  Host,
  startHost,
  type CallOptions,
  type LinkOptions,
  type StartActorOptions,
  type StartProviderOptions,
  type UpdateActorOptions,
} from "./host.ts";
export type { CtlLevel, LatticeOptions, NatsServers, PolicyServiceOptions } from "./membership/settings.ts";
export type { Member, MemberReport } from "./membership/member.ts";
export { askVerb, followVerb } from "./membership/verb-client.ts";
export { jobHeader } from "./membership/jobs.ts";
export { aliveHeader, endHeader } from "./membership/verb-service.ts";
export { moduleStore } from "./membership/references.ts";
export type { SwapOptions, SwapOutcome, SwapRecord, SwapStep, SwapStepName } from "./swap-record.ts";
export { type HostOptions, type HostConfig, compileOptions } from "./options.ts";
export type { SecretSources } from "./secrets.ts";
export { limitTable, type LimitName, type Limits } from "./limits.ts";
export type { ActorHandle, ProviderHandle, LinkRecord } from "./wanted.ts";
export type { Inventory } from "./inventory.ts";
export { inventory, hostRecord, snapshot } from "./inventory.ts";
export { explain, type Explanation, type ExplainStep } from "./explain.ts";
export type { Policy, PolicyDecision, PolicyEnd, PolicyRequest } from "./policy.ts";
export { allowed } from "./policy.ts";
export type { BeforeStep, Middleware } from "./middleware.ts";
export { verbsOf } from "./verbs.ts";
export { type Verb, type Verbs, type VerbContext, findVerb } from "./verb-table.ts";
export { version } from "./version.ts";
export { runDirectory, shortRunDirectory, stateDirectory } from "./state-directory.ts";
export { compileLimits, limitNames, limitProblem } from "./limits.ts";
export { didYouMean, nearestName } from "./nearest-name.ts";
export { actorLogLevels, logLevels, type ActorLogLevel, type LogLevel } from "./log-levels.ts";
export { LogBook, type LogBounds, type LogEntry, type LogLine, type LogQuery } from "./log-ring.ts";
export { HostLogger, type LoggerOptions } from "./logger.ts";
export { match } from "./names.ts";
export { harmless, harmlessLine, withoutSecrets } from "./harmless.ts";
export { EventRing, eventNames, type EventName, type HostEvent } from "./events.ts";
export { friendlyName } from "./friendly-name.ts";
export type { HostSnapshot } from "./host-snapshot.ts";
export { metricTable, type MetricName } from "./host-metrics.ts";
export { MetricsServer, type MetricsServerOptions } from "./metrics-server.ts";
export { ControlSocket, type ControlSocketOptions } from "./control-socket.ts";
export { listSockets, socketPath, type FoundSocket } from "./socket-folder.ts";
export {
  parseHostFile,
  readHostFile,
  type ActorEntry,
  type CapabilityEntry,
  type HostFile,
  type NatsEntry,
  type LinkEntry,
} from "./manifest.ts";
export { FileSwaps } from "./file-swaps.ts";
export { childProvider, type ChildOptions, type ChildProvider } from "./children/child-provider.ts";
export { threadProvider, type ThreadOptions, type ThreadProvider } from "./children/thread-provider.ts";
export type { ThreadLimits } from "./children/thread-run.ts";
export { type ModuleEntry, providerOfEntry } from "./children/entry.ts";
export { loadProvider } from "./children/provider-module.ts";
export type { ChildLimits } from "./children/child-process.ts";
export type { ChildPermissions } from "./children/permissions.ts";
