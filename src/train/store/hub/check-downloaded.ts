// Is it a model that this trainer can take? Asked of the small files, before the large ones are fetched.

import { join } from "node:path";
import { parseT5Config } from "../../../shared/t5-config.ts";
import { readJson } from "../../io/read-json.ts";
import { createFolderTokenizer } from "../folder-tokenizer.ts";
import { readTokenizerConfigAt } from "../tokenizer-config.ts";

/** Throws ArtifactError for a config that is not a supported T5's, or a tokenizer with more ids than its embedding has rows. */
export async function checkSmallFiles(folder: string, id: string): Promise<void> {
  const read = (name: string): Promise<unknown> => readJson(join(folder, name), { fix: "Download it again." });
  const config = parseT5Config(await read("config.json"), `${id}, config.json`);
  createFolderTokenizer(
    await read("tokenizer.json"),
    JSON.parse(await readTokenizerConfigAt(join(folder, "tokenizer_config.json"), join(folder, "tokenizer.json"))),
    config,
    `${id}, tokenizer.json`,
  );
}
