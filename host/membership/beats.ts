import { describe } from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import { inventory } from "../inventory.ts";
import type { EventsOut } from "./events-out.ts";
import { heartbeatAsInOtp, inventoryAsIn82 } from "./short-inventories.ts";

/** Longest wait for the health of providers, in milliseconds, until the next look. */
const lookMs = 1_000;

/**
 * Heartbeats, and the health of providers: told as soon as it is known, then at every beat.
 * Source: lattice protocol reference, sections 7 and 8; captures of 0.82, section 5.
 */
export class Beats {
  readonly #host: Host;
  readonly #out: EventsOut;
  /** Providers that have started, by key and link name, with what was told last of their health. */
  readonly #health = new Map<string, boolean | undefined>();
  readonly #end: () => void;
  readonly #timers: readonly NodeJS.Timeout[];
  #looking = Promise.resolve();

  constructor(host: Host, out: EventsOut, everyMs: number) {
    this.#host = host;
    this.#out = out;
    this.#timers = [
      setInterval(() => void this.beat(), everyMs).unref(),
      setInterval(() => void this.#look(false), Math.min(lookMs, everyMs)).unref(),
    ];
    for (const { spec } of host.wanted.providers.values()) this.#health.set(`${spec.key} ${spec.linkName}`, undefined);
    this.#end = host.events.subscribe(({ type, data }) => {
      const name = `${String(data["public_key"])} ${String(data["link_name"])}`;
      if (type === "provider_stopped") this.#health.delete(name);
      if (type !== "provider_started") return;
      this.#health.set(name, undefined);
      void this.#look(false);
    });
  }

  /** The inventory, in which both kinds of clients find what they read; of many actors only what one message holds. */
  async beat(): Promise<void> {
    try {
      const whole = await inventory(this.#host);
      this.#out.tell(
        "host_heartbeat",
        () => ({ ...whole }),
        () => inventoryAsIn82(whole),
        () => heartbeatAsInOtp(whole),
      );
      await this.#look(true);
    } catch (error) {
      this.#host.logger.warn(`a heartbeat is left out: ${describe(error)}`);
    }
  }

  stop(): void {
    this.#end();
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Changes are told at once; what stays as it is only with the beat. */
  #look(beat: boolean): Promise<void> {
    this.#looking = this.#looking.then(() => this.#compare(beat)).catch(() => {});
    return this.#looking;
  }

  async #compare(beat: boolean): Promise<void> {
    if (this.#health.size === 0) return;
    const { fleet, wanted, events } = this.#host;
    const states = (await fleet.stats()).flatMap(({ providers }) => providers);
    const unwell = new Set(states.filter((each) => !each.healthy).map(({ id }) => id));
    for (const { spec } of wanted.providers.values()) {
      const id = `${spec.key} ${spec.linkName}`;
      if (!this.#health.has(id)) continue;
      const healthy = !unwell.has(spec.id);
      const data = { contract_id: spec.contractId, link_name: spec.linkName, public_key: spec.key };
      const before = this.#health.get(id);
      this.#health.set(id, healthy);
      if (before !== healthy) events.emit(healthy ? "health_check_passed" : "health_check_failed", data);
      else if (beat) this.#out.tell("health_check_status", () => data);
    }
  }
}
