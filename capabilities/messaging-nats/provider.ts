import { fail } from "../../lattice/index.ts";
import { Messaging, type MessagingOptions } from "../messaging/provider.ts";
import { NatsConnection } from "../nats/connection.ts";
import { type NatsServers, readNatsServers, serverProblems } from "../nats/servers.ts";
import { NatsExchange } from "./exchange.ts";

/** Messages over `maxPending` are lost, and the log tells how many. */
export interface NatsMessagingOptions extends MessagingOptions {
  /** Servers of links that name none: `nats://[user:password@]host[:port]`, `tls://`, several with commas. */
  readonly url?: string;
  /** A credentials file of `nsc`, for `url`. */
  readonly credsFile?: string;
}

/**
 * Messaging over the subjects of NATS servers: publish, subscribe with wildcards and queue groups that
 * hosts share, request and reply. Links with the same servers and credentials share a connection.
 * @throws LatticeError OPTION_OUT_OF_RANGE
 */
export function natsMessaging(options: NatsMessagingOptions = {}): Messaging<NatsServers> {
  const { url = "nats://127.0.0.1:4222", credsFile } = options;
  const problems = serverProblems(url.split(","));
  if (problems.length > 0) throw fail("OPTION_OUT_OF_RANGE", "url", "not usable", `corrected: ${problems.join("; ")}`);
  const name = "messaging over NATS";
  return new Messaging<NatsServers>(
    {
      name,
      placeOf: (values, config, wrong) => readNatsServers(values, config, { url, credsFile }, wrong),
      open: async (servers, report) => new NatsExchange(await NatsConnection.open(servers, name, report)),
    },
    options,
  );
}
