export * from "./errors.ts";
export * from "./eras.ts";
export * from "./contracts.ts";
export * from "./links.ts";
export * from "./invocations.ts";
