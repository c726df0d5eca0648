// Whose folder it is: an unfinished run is not lost to another one, of whatever kind.

import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { beginRunFolder, firstStep, refuseForeignRun } from "../../../../src/train/recipes/run/run-folder.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "run-folder-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function folder(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = join(root, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(dir, file, ".."), { recursive: true });
    await writeFile(join(dir, file), text);
  }
  return dir;
}

describe("a folder with an online run", () => {
  test("is refused to any other, resumed or not, with the flags that continue it", async () => {
    const dir = await folder("online", { "online_state.json": "{}" });
    for (const run of [{}, { resume: true }])
      await expect(firstStep(dir, run)).rejects.toThrow(/an online run lies there.*Continue it with --online --resume/);
    expect(await firstStep(dir, { overwrite: true })).toBe(0);
  });

  test("that is finished gives way to another run, but is not taken for one that --resume goes on with", async () => {
    const dir = await folder("published", { "online_state.json": '{"published": true}' });
    expect(await firstStep(dir, {})).toBe(0);
    await expect(firstStep(dir, { resume: true })).rejects.toThrow(/Continue it with --online --resume/);
  });

  test("loses its state and rounds to a run that may overwrite it, and keeps them where it goes on", async () => {
    const files = {
      "online_state.json": "{}",
      "online_config.json": "{}",
      "rounds/1/rollouts.jsonl": "",
      "samples.json": "[]",
    };
    const dir = await folder("overwritten", files);
    await beginRunFolder(dir, 0, { file: "online_config.json", json: {} });
    expect((await readdir(dir)).sort()).toEqual(["online_config.json", "online_state.json", "rounds"]);
    await beginRunFolder(dir, 0, { file: "train_config.json", json: {} });
    expect(await readdir(dir)).toEqual(["train_config.json"]);
  });
});

describe("a command that always starts anew", () => {
  const own = { command: "npm run quickstart", data: "outputs/quickstart_rollouts" };

  test("refuses another's unfinished run and says how to go on with either", async () => {
    const files = { "checkpoint-3/x": "", "train_config.json": '{"data": "mine.jsonl"}' };
    const dir = await folder("foreign", files);
    await expect(refuseForeignRun(dir, own)).rejects.toThrow(
      /an unfinished run lies there \(checkpoint-3\), and npm run quickstart writes.*--resume.*mv .*foreign/,
    );
    await folder("foreign", { "trainer_state.json": "{}" });
    await refuseForeignRun(dir, own);
  });

  test("takes its own, and a folder that is not there", async () => {
    await refuseForeignRun(
      await folder("own", { "checkpoint-3/x": "", "train_config.json": '{"data": "outputs/quickstart_rollouts"}' }),
      own,
    );
    await refuseForeignRun(join(root, "nowhere"), own);
  });

  test("refuses an online run, though its last update had the same data", async () => {
    const dir = await folder("own-online", {
      "online_state.json": "{}",
      "train_config.json": `{"data": "${own.data}"}`,
    });
    await expect(refuseForeignRun(dir, own)).rejects.toThrow(/--online --resume/);
    await folder("own-online", { "online_config.json": '{"problem_source": "preference"}' });
    await expect(refuseForeignRun(dir, own)).rejects.toThrow(/--online --resume/);
  });

  test("takes its own online run, known by its problems, and another's that is finished", async () => {
    const config = { "online_config.json": `{"problem_source": "${own.data}"}` };
    await refuseForeignRun(await folder("own-rounds", { "online_state.json": "{}", ...config }), own);
    await refuseForeignRun(await folder("finished", { "online_state.json": '{"published": true}' }), own);
  });
});
