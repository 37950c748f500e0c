import type { Era, GuestLanguage } from "../../lattice/index.ts";

/** How modules of an era write structures. */
export type Shape = "protobuf" | "array" | "map";

/** AssemblyScript guests read maps only, whatever their year. Source: waPC and actors reference, section 4. */
export function shapeOf(era: Era, language: GuestLanguage = "other"): Shape {
  if (language === "assemblyscript") return "map";
  return era === "E0" ? "protobuf" : era === "E1" ? "array" : "map";
}
