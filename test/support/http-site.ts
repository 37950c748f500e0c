export * from "../../testing/http-server/site.ts";
