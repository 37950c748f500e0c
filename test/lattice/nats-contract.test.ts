import { after, before } from "node:test";
import type { LatticeConnection } from "../../lattice/index.ts";
import { connectNats } from "../../lattice/index.ts";
import { blobsSuite } from "../contract/blobs-suite.ts";
import { busSuite } from "../contract/bus-suite.ts";
import { stateSuite } from "../contract/state-suite.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
let server: NatsServer;
let buckets = 0;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});

after(async () => {
  await server?.[Symbol.asyncDispose]();
});

busSuite(
  "NATS",
  () => ({
    connect: async (hooks) => {
      const { bus } = await connectNats({ servers: server.url }, hooks);
      await until(() => bus.status === "connected");
      return bus;
    },
    close: () => {},
  }),
  { skip },
);

/** Connections of a test, closed with it. */
function opened(): { readonly connect: () => Promise<LatticeConnection>; readonly close: () => Promise<void> } {
  const connections: LatticeConnection[] = [];
  return {
    connect: async () => {
      const connection = await connectNats({ servers: server.url });
      connections.push(connection);
      return connection;
    },
    close: async () => void (await Promise.all(connections.map(async (each) => await each.close()))),
  };
}

stateSuite(
  "NATS",
  () => {
    const { connect, close } = opened();
    const bucket = `bucket_${++buckets}`;
    return { open: async () => (await connect()).state(bucket), close };
  },
  { skip },
);

blobsSuite(
  "NATS",
  () => {
    const { connect, close } = opened();
    const store = `store_${++buckets}`;
    return { open: async () => (await connect()).blobs(store), close };
  },
  { skip },
);
