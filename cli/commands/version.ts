import { leaf } from "../command.ts";
import { packageVersion } from "../context.ts";
import { renderPairs } from "../table.ts";

export const command = () =>
  leaf({
    name: "version",
    summary: "versions of lattice, Node and V8",
    work: async ({ output }) => {
      const version = packageVersion();
      const document = {
        version,
        node: process.versions.node,
        v8: process.versions.v8,
        platform: process.platform,
        arch: process.arch,
      };
      const text = renderPairs([
        ["lattice", version],
        ["node", document.node],
        ["v8", document.v8],
        ["platform", `${document.platform}-${document.arch}`],
      ]);
      await output.show(document, text, version);
    },
  });
