import { readFileSync } from "node:fs";

/** The product's version, as the package says; the manifest stands above the rooms, also when packed. */
export const version: string = (() => {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const { name, version: own } = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (name === "wasmlattice" && own) return own;
    } catch {
      // Not there: one folder further up when compiled.
    }
  }
  return "0.0.0";
})();
