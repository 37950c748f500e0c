import { moleculerNode } from "../moleculer-node.ts";

/**
 * A node of moleculer whose action `echo.echo` answers what it gets, and prints `{"ready":true}`.
 *   node moleculer-echo.ts URL
 */
const node = moleculerNode("echo", process.argv[2] ?? "");
node.createService({ name: "echo", actions: { echo: (context: { params: unknown }) => context.params } });
await node.start();
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
