import type { Row } from "../harness.ts";
import { actorCall } from "./actor-call.ts";
import { childProviderRow } from "./child-provider.ts";
import { fairness } from "./fairness.ts";
import { firstReply } from "./first-reply.ts";
import { helpStart } from "./help-start.ts";
import { httpRows } from "./http.ts";
import { idleActors } from "./idle-actors.ts";
import { idleHost } from "./idle-host.ts";
import { instrumentCost } from "./instrument-cost.ts";
import { latticeCall } from "./lattice.ts";
import { latticeChurn } from "./lattice-churn.ts";
import { manyHosts } from "./many-hosts.ts";
import { metricsCost } from "./metrics-cost.ts";
import { natsRequest } from "./nats-request.ts";
import { providerCall } from "./provider-call.ts";
import { httpRedis, redisCall } from "./redis.ts";
import { startCommand } from "./start-command.ts";
import { swapRows } from "./swap.ts";
import { wapcEcho } from "./wapc-echo.ts";

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [
  wapcEcho,
  ...httpRows,
  httpRedis,
  redisCall,
  providerCall,
  childProviderRow,
  actorCall,
  firstReply,
  startCommand,
  idleActors,
  fairness,
  ...swapRows,
  metricsCost,
  instrumentCost,
  idleHost,
  natsRequest,
  latticeCall,
  latticeChurn,
  manyHosts,
  helpStart,
];
