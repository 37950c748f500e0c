import type { KeyKind, KeyPair } from "../lattice/index.ts";
import { textOption, type Call } from "./command.ts";
import { setting, type SettingName } from "./context.ts";
import { KeyFolder, keyFromReference } from "./key-folder.ts";

/** The key of a flag, of a variable, or of the folder, where it is made on first use. */
export async function keyFor(call: Call, role: "issuer" | "subject", kind: KeyKind, name: string): Promise<KeyPair> {
  const { options, output } = call;
  const flag = textOption(options, role);
  if (flag !== undefined) return keyFromReference(flag, kind, `--${role}`);
  const fallback = setting(`${role}_key` satisfies SettingName);
  if (fallback.value !== "") return keyFromReference(fallback.value, kind, fallback.origin, true);
  const folder = new KeyFolder(textOption(options, "directory"));
  return folder.getOrMake(name, kind, options.disableKeygen !== true, output);
}
