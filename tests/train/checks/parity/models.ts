// Where the golden models lie: four small ones in the repository, and a reference that may lie beside it.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const GOLDEN_MODELS = ["t5-v1.1", "t5-v1.1-shared-head", "t5-v1.0", "umt5"] as const;

export function goldenDir(name: (typeof GOLDEN_MODELS)[number]): string {
  return fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url));
}

export const REFERENCE_DIR = fileURLToPath(new URL("../../../../../shared/reference/t5v11-tiny", import.meta.url));
export const hasReference = existsSync(`${REFERENCE_DIR}/golden.json`);
