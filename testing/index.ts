export type * from "./server.ts";
export * from "./provider-suite.ts";
export * from "./keyvalue-suite.ts";
export * from "./blobstore-suite.ts";
export * from "./messaging-suite.ts";
export * from "./http-server-suite.ts";
export { type FakeContext, type FakeLinkOptions, fakeCall, fakeContext, fakeLink } from "./fakes.ts";
export * from "./until.ts";
