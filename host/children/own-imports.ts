import { registerHooks } from "node:module";
import { basename } from "node:path";
import { mayImport } from "../../actors/index.ts";

/**
 * From here on the module at `path`, which lies in a folder of the host under its content's hash, finds this package
 * wherever it is itself installed, and no other.
 */
export function importAlone(path: string): void {
  // Of the whole only the name: Node may know the file by its real path.
  const own = `/${basename(path)}`;
  registerHooks({
    resolve(specifier, context, next) {
      if (!context.parentURL?.endsWith(own)) return next(specifier, context);
      if (!mayImport(specifier)) throw new Error(`it imports ${specifier}, which its archive does not hold`);
      // As this file would: a package may import itself by its name.
      return next(specifier, { ...context, parentURL: import.meta.url });
    },
  });
}
