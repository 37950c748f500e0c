export * from "./lattice/index.ts";
export * from "./actors/index.ts";
export * from "./capabilities/index.ts";
export * from "./host/index.ts";
