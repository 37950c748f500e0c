import type { Link, ListenerLease, ProviderContext } from "../provider.ts";
import type { FailureLog } from "./failure-log.ts";
import type { SiteSettings } from "./settings.ts";

/** One link's place on the web: what its requests need, decided when the link was put. */
export interface Site {
  readonly link: Link;
  readonly settings: SiteSettings;
  readonly context: ProviderContext;
  readonly traffic: Traffic;
  readonly failures: FailureLog;
  /** Of the link's own address first. */
  readonly leases: ListenerLease[];
}

/** Requests that a provider holds, so that it can wait for the last. */
export class Traffic {
  #inFlight = 0;
  #draining = false;
  #idle: (() => void)[] = [];

  get draining(): boolean {
    return this.#draining;
  }

  begin(): void {
    this.#inFlight++;
  }

  end(): void {
    if (--this.#inFlight > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Refuses what comes from now on; resolves when the requests in flight are answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
