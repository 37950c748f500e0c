import assert from "node:assert/strict";
import { connectNats } from "../../lattice/index.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";

natsTest(
  "hosts that begin at once on a new server make its buckets and stores together, and none of it fails",
  async () => {
    await using server = await NatsServer.start();
    await using closing = new AsyncDisposableStack();
    const connections = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const connection = await connectNats({ servers: server.url });
        closing.defer(async () => await connection.close());
        await connection.bus.flush();
        return connection;
      }),
    );
    for (let round = 0; round < 25; round++) {
      const states = connections.map((connection) => connection.state(`bucket_${round}`));
      const revisions = await Promise.all(
        states.map(async (state, index) => {
          await state.get("tea");
          return await state.put("tea", Buffer.from(String(index)));
        }),
      );
      assert.equal(new Set(revisions).size, connections.length);
      const stores = connections.map((connection) => connection.blobs(`store_${round}`));
      await Promise.all(stores.map(async (blobs, index) => await blobs.put(`tea ${index}`, Buffer.from("leaves"))));
      assert.equal((await stores[0]!.list()).length, connections.length);
    }
  },
);
