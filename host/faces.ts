import { ControlSocket } from "./control-socket.ts";
import type { Host } from "./host.ts";
import { snapshot } from "./inventory.ts";
import { MetricsServer } from "./metrics-server.ts";
import type { Verbs } from "./verb-table.ts";

/** How a host is reached from outside its process, as far as its configuration asks for it. */
export interface Faces extends AsyncDisposable {
  /** Path of the control socket. */
  readonly controlSocket: string | undefined;
  /** `host:port` of the metrics, with the real port. */
  readonly metrics: string | undefined;
  /** May be called twice. */
  stop(): Promise<void>;
}

/**
 * Opens the control socket and the metrics of `host`. Stop them last, so that `readyz` and a second
 * terminal can see it drain.
 * @throws LatticeError as `ControlSocket.start` and `MetricsServer.start`; then neither is open.
 */
export async function openFaces(host: Host, verbs: Verbs): Promise<Faces> {
  const { controlSocket, metricsAddress, limits } = host.config;
  await using opened = new AsyncDisposableStack();
  const socket =
    controlSocket === false
      ? undefined
      : opened.use(
          await ControlSocket.start({
            id: host.id,
            verbs,
            jobs: host.jobs,
            report: (text) => host.logger.error(text),
            ...(typeof controlSocket === "string" ? { path: controlSocket } : {}),
          }),
        );
  const metrics =
    metricsAddress === undefined
      ? undefined
      : opened.use(
          await MetricsServer.start({
            address: metricsAddress,
            snapshot: () => snapshot(host),
            metricPlacements: limits.metricPlacements,
          }),
        );
  const kept = opened.move();
  const stop = (): Promise<void> => kept.disposeAsync();
  return { controlSocket: socket?.path, metrics: metrics?.address, stop, [Symbol.asyncDispose]: stop };
}
