export * from "../../testing/messaging-room.ts";
