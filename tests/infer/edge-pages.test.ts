import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { preparePlayground } from "../../src/infer/edge-pages.ts";

test("pages laid out for one command do not change with those of another, whose watcher would begin anew", async () => {
  const dirs = [await mkdtemp(join(tmpdir(), "stepwise-pages-")), await mkdtemp(join(tmpdir(), "stepwise-pages-"))];
  const [one = "", other = ""] = dirs.map((dir) => join(dir, "playground"));
  const states = async () => {
    const names = (await readdir(one)).sort();
    const files = await Promise.all(names.map((name) => stat(join(one, name), { bigint: true })));
    return names.map((name, at) => ({ name, changed: files[at]?.ctimeNs, links: files[at]?.nlink }));
  };
  try {
    await preparePlayground(dirs[0] ?? "");
    const before = await states();
    expect(before.map(({ name }) => name)).toContain("index.html");
    expect(before.every(({ links }) => links === 1n)).toBe(true);
    await preparePlayground(dirs[1] ?? "");
    expect((await readdir(other)).sort()).toEqual(before.map(({ name }) => name));
    expect(await states()).toEqual(before);
  } finally {
    for (const dir of dirs) await rm(dir, { recursive: true, force: true });
  }
});
