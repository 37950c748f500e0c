import type { Provider } from "../../capabilities/index.ts";

/** A provider that never lets go of its thread in whatever step it is told to, by its settings, a link's values or an operation. */
export default ({ hang = "" } = {}): Provider => {
  const spin = (where: string, told: string) => {
    if (where === told) for (;;);
  };
  let asked = 0;
  let started = Number.POSITIVE_INFINITY;
  return {
    contractId: "wasmcloud:keyvalue",
    name: "hanging",
    start() {
      spin("start", hang);
      started = performance.now();
    },
    putLink: ({ values }) => spin("putLink", values["hang"] ?? ""),
    deleteLink: ({ values }) => spin("deleteLink", values["hang"] ?? ""),
    handle: ({ operation, payload }) => {
      spin("handle", operation);
      if (operation === "exit") process.exit(3);
      if (operation === "await") return Promise.resolve().then(() => spin("await", operation)) as Promise<never>;
      if (operation === "never") return new Promise(() => {});
      if (operation === "busy") {
        const end = performance.now() + 1_500;
        while (performance.now() < end);
      }
      return payload.slice();
    },
    health() {
      // Well at first, or no host would start it.
      if (asked++ > 0 && performance.now() - started > 200) spin("health", hang);
      return { healthy: true };
    },
  };
};
