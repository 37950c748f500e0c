import type { Provider } from "../../capabilities/index.ts";

/** Answers what it is asked, for measuring the way to it. */
const echo: Provider = { contractId: "bench/echo", name: "echo", handle: ({ payload }) => payload };

export default echo;
