export * from "../../testing/fakes.ts";
