import { setTimeout as pause } from "node:timers/promises";
import type { Dice } from "../../support/dice.ts";
import { until } from "../../support/until.ts";
import type { ChaosHost } from "./chaos-host.ts";
import type { ChaosWorld } from "./world.ts";

/** Something that goes wrong, or is changed, while calls go on. */
export interface Fault {
  readonly name: string;
  /** How often it is chosen, against the others. Default 1. */
  readonly weight?: number;
  /** Whom it troubles: nothing else troubles them meanwhile. */
  readonly pick: (world: ChaosWorld, dice: Dice) => Trouble;
}

interface Trouble {
  readonly whom: readonly string[];
  /** True when it was seen to have happened; throws when what comes after it does not. */
  readonly run: () => Promise<boolean>;
}

const shortMs = 300;

export const faults: readonly Fault[] = [
  {
    name: "kill -9 of a host and its return",
    weight: 2,
    pick: (world, dice) =>
      onHost(dice.pick(world.workers), async (host) => {
        const killed = await host.kill();
        await pause(dice.below(1_000));
        await host.start();
        await host.comesBack(world.actor);
        return killed;
      }),
  },
  {
    name: "kill -9 of NATS and its return",
    pick: ({ server }, dice) => ({
      whom: ["nats"],
      run: async () => {
        const { pid } = server;
        await server.kill();
        await pause(shortMs + dice.below(1_500));
        await server.run();
        return server.pid !== pid;
      },
    }),
  },
  {
    name: "roll of NATS in order",
    pick: ({ server }) => ({
      whom: ["nats"],
      run: async () => {
        const { pid } = server;
        await server.restart();
        return server.pid !== pid;
      },
    }),
  },
  {
    name: "partition of a host, connections reset",
    weight: 2,
    pick: ({ hosts }, dice) =>
      onHost(dice.pick(hosts), async (host) => {
        host.wire.cut();
        const away = until(async () => (await host.status()) !== "connected");
        await Promise.all([away, pause(shortMs + dice.below(3_000))]);
        host.wire.mend();
        return true;
      }),
  },
  {
    name: "partition of a host, silent",
    weight: 2,
    pick: ({ hosts }, dice) =>
      onHost(dice.pick(hosts), async (host) => {
        host.wire.stall();
        await pause(shortMs + dice.below(4_000));
        const heard = host.wire.stalled;
        host.wire.mend();
        return heard;
      }),
  },
  {
    name: "pause of a host",
    weight: 2,
    pick: ({ hosts }, dice) =>
      onHost(dice.pick(hosts), async (host) => {
        host.signal("SIGSTOP");
        await until(() => host.processState === "T");
        await pause(100 + dice.below(2_500));
        host.signal("SIGCONT");
        return true;
      }),
  },
  {
    name: "link put",
    weight: 4,
    pick: (world, dice) => world.change((host) => world.putLink(host, dice.below(5), 2_000 + dice.below(5_000)), dice),
  },
  {
    name: "link deleted",
    weight: 3,
    pick: (world, dice) => world.change((host) => world.deleteLink(host, dice.below(5)), dice),
  },
  {
    name: "update of an actor",
    weight: 3,
    pick: (world, dice) =>
      onHost(dice.pick(world.workers), async (host) => {
        const revision = world.nextRevision();
        await world.update(host, revision);
        return (await host.placements(world.actor)).every((each) => each.revision === revision);
      }),
  },
  {
    name: "scale of an actor",
    weight: 3,
    pick: (world, dice) =>
      onHost(dice.pick(world.workers), async (host) => {
        const instances = 1 + dice.below(8);
        await host.ask("scale", { target: world.actor, instances });
        const [row] = await host.placements(world.actor);
        return row?.max_instances === instances;
      }),
  },
];

function onHost(host: ChaosHost, run: (host: ChaosHost) => Promise<boolean>): Trouble {
  return { whom: [host.name], run: () => run(host) };
}
