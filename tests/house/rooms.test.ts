// Data flows one way: a room of src/ imports only rooms on lower floors, and no file is in none. Biome looks for circles of files.

import { expect, test } from "vitest";
import { arrowsOf, FLOORS, importsBack, readImports, roomOf } from "./rooms.ts";

const imports = readImports();

test("no room imports a room on its own floor or above", () => {
  expect(importsBack(imports)).toEqual([]);
});

test("the reader of imports sees the road: recipes use losses, losses use no recipe", () => {
  const arrows = arrowsOf(imports);
  expect(arrows).toContain("src/train/recipes -> src/train/loss");
  expect(arrows).not.toContain("src/train/loss -> src/train/recipes");
});

test("every room has arrows: none is left over from an earlier layout", () => {
  const rooms = new Set(imports.flatMap(({ from, to }) => [roomOf(from), roomOf(to)]));
  expect([...rooms].sort()).toEqual(FLOORS.flat().sort());
});

test("an import that goes up, or across a floor, is found", () => {
  const up = { from: "src/train/loss/a.ts", to: "src/train/recipes/dpo/b.ts" };
  const across = { from: "src/train/loss/a.ts", to: "src/train/model/b.ts" };
  const down = { from: "src/train/loss/a.ts", to: "src/train/tensorflow/b.ts" };
  const inside = { from: "src/train/loss/a.ts", to: "src/train/loss/b.ts" };
  expect(importsBack([up, across, down, inside])).toEqual([up, across]);
});

test("a file outside every room is an error that says where rooms are named", () => {
  expect(() => roomOf("src/train/loose.ts")).toThrow("tests/house/rooms.ts");
});
