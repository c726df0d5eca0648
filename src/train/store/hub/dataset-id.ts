// A data set of the Hub by name: OWNER/NAME[@REVISION][:CONFIG][/SPLIT]; and which of its files hold a config's split.

import { existsSync } from "node:fs";
import { InputError } from "../../../shared/errors.ts";

export interface DatasetId {
  id: string;
  revision?: string | undefined;
  config?: string | undefined;
  split?: string | undefined;
}

const ID = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:@(refs\/[\w/]+|[\w.-]+))?(?::([\w.-]+))?(?:\/([\w.-]+))?$/;
const DATA_FILE = /\.(parquet|jsonl|ndjson|json|csv|tsv)(\.gz)?$/i;

/** The parts of a data set's name; undefined for what is, or was meant as, a file here. */
export function parseDatasetId(text: string): DatasetId | undefined {
  const [, id, revision, config, split] = ID.exec(text) ?? [];
  if (id === undefined || DATA_FILE.test(text) || existsSync(text) || existsSync(text.split("/")[0] ?? ""))
    return undefined;
  return { id, revision, config, split };
}

/** The config and split that a file's path tells: CONFIG/SPLIT/0000.parquet, or [CONFIG/]SPLIT-00000-of-00002.parquet. */
function placeOf(path: string): { config: string; split: string } | undefined {
  const converted = /^(.+)\/(?:partial-)?([^/]+)\/\d+\.parquet$/.exec(path);
  if (converted !== null) return { config: converted[1] ?? "", split: converted[2] ?? "" };
  const own = /^(?:(.+)\/)?([\w.]+?)(?:-\d+-of-\d+)?\.(?:parquet|jsonl|ndjson|json|csv|tsv)(?:\.gz)?$/i.exec(path);
  if (own === null) return undefined;
  return { config: own[1] === undefined || own[1] === "data" ? "default" : own[1], split: own[2] ?? "" };
}

/**
 * Paths of the files of the wanted config and split, in order; only Parquet where there is any. Throws InputError `no_split` for a data
 * set where these are not clear, naming what there is.
 */
export function selectDataFiles(
  paths: readonly string[],
  asked: DatasetId,
): { paths: string[]; config: string; split: string } {
  const data = paths.filter((path) => DATA_FILE.test(path));
  const parquet = data.filter((path) => /\.parquet$/i.test(path));
  const placed = (parquet.length > 0 ? parquet : data).flatMap((path) => {
    const place = placeOf(path);
    return place === undefined ? [] : [{ path, ...place }];
  });
  const config = choose("config", [...new Set(placed.map((file) => file.config))], {
    asked: asked.config,
    usual: "default",
    id: asked.id,
  });
  const ofConfig = placed.filter((file) => file.config === config);
  const split = choose("split", [...new Set(ofConfig.map((file) => file.split))], {
    asked: asked.split,
    usual: "train",
    id: asked.id,
  });
  return {
    paths: ofConfig
      .filter((file) => file.split === split)
      .map(({ path }) => path)
      .sort(),
    config,
    split,
  };
}

/** The one that is asked for, else the usual one, else the only one (that begins as the usual one does). */
function choose(
  kind: "config" | "split",
  names: readonly string[],
  { asked, usual, id }: { asked: string | undefined; usual: string; id: string },
): string {
  const alike = names.filter((name) => name.startsWith(usual));
  const [only] = names.length === 1 ? names : alike.length === 1 ? alike : [];
  const chosen = asked ?? (names.includes(usual) ? usual : only);
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  const listed = names.slice(0, 12).join(", ");
  throw new InputError({
    code: "no_split",
    what:
      names.length === 0
        ? "the data set has no file of records (Parquet, JSON, CSV)"
        : asked === undefined
          ? `the data set has several ${kind}s, and none is named`
          : `the data set has no ${kind} "${asked}"`,
    where: id,
    fix:
      names.length === 0
        ? "Name a revision that has one, or convert the files and give them with --input."
        : `Its ${kind}s are ${listed}: name one as OWNER/NAME${kind === "config" ? ":CONFIG" : "/SPLIT"}.`,
  });
}
