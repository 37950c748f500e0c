import { connect } from "nats";
import { connectNats } from "../../lattice/index.ts";

/**
 * Answers each request on `echo.SIDE` with its own payload, and prints `{"ready":true}`.
 *   node nats-echo.ts lattice|nats URL
 * `lattice`: through our bus; `nats`: through the package alone.
 */
const [side, servers = ""] = process.argv.slice(2);

if (side === "lattice") {
  const { bus } = await connectNats({ servers });
  bus.subscribe("echo.lattice", (message) => void message.respond(message.payload));
  await bus.flush();
} else {
  const connection = await connect({ servers });
  connection.subscribe("echo.nats", { callback: (_error, message) => void message.respond(message.data) });
  await connection.flush();
}
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
