import { createInterface } from "node:readline";
import { startHost } from "../../host/index.ts";
import { type LatticeSeat, seatOptions } from "../lattice-seat.ts";

/**
 * A host of a lattice that prints `{"host":"N..."}`, and sends the store that came to it on to the host
 * that a line on standard input names; then it prints how that went. At SIGTERM it leaves in order.
 *   node swap-host.ts SEAT   (JSON of `LatticeSeat`)
 */
const seat = JSON.parse(process.argv[2] ?? "") as LatticeSeat;
const host = await startHost(seatOptions(seat));
process.once("SIGTERM", () => void host.stop().finally(() => process.exit()));
process.stdout.write(`${JSON.stringify({ host: host.id })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const { toHost, trialMs } = JSON.parse(line) as { toHost: string; trialMs: number };
  const steps: object[] = [];
  const outcome = await host
    .swapProvider("keyvalue", "memory", { toHost, trialMs, copyState: true, onStep: (step) => void steps.push(step) })
    .then(
      ({ lost, pauseMs }) => ({ lost, pauseMs, steps }),
      (error: unknown) => ({ error: String(error) }),
    );
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
