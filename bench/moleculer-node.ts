import { ServiceBroker } from "moleculer";

/** A node of moleculer as its users start one over NATS: nothing beside calls is on. */
export function moleculerNode(nodeID: string, servers: string): ServiceBroker {
  return new ServiceBroker({
    namespace: "bench",
    nodeID,
    transporter: { type: "NATS", options: { url: servers } },
    logger: false,
    requestTimeout: 10_000,
  });
}
