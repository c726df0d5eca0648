// The structure of src/ and scripts/, read from the imports of the code itself: rooms, floors, arrows, and what runs back up.
// `npx tsx tests/house/rooms.ts` prints it; rooms.test.ts holds it.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(import.meta.dirname, "../..");

/** Rooms from the ground up. A room imports only rooms on lower floors; rooms of one floor do not know each other. */
export const FLOORS: readonly (readonly string[])[] = [
  ["src/shared"],
  ["src/edge", "src/train/io", "src/train/tensorflow"],
  ["src/infer", "src/playground", "src/serve", "src/train/data", "src/train/model", "src/train/loss"],
  ["src/bench", "src/train/optim", "src/train/store"],
  ["src/train/onnx"],
  ["src/train/reward"],
  ["src/train/evaluate"],
  ["src/train/recipes"],
  ["src/train/checks"],
  ["scripts"],
];

export interface Import {
  /** Paths from the root of the repository. */
  from: string;
  to: string;
}

/** All TypeScript files of a folder, as paths from the root. */
function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name).split(sep).join("/"));
}

/** Every import and re-export of a project file by another, types included. */
export function readImports(): Import[] {
  return [...filesUnder("src"), ...filesUnder("scripts")].flatMap((from) => {
    const text = readFileSync(join(ROOT, from), "utf8");
    const names = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+\.tsx?)["']/g)].map(
      (match) => match[1] ?? "",
    );
    return names.map((name) => ({
      from,
      to: relative(ROOT, resolve(ROOT, dirname(from), name))
        .split(sep)
        .join("/"),
    }));
  });
}

/** The room of a file. Throws for a file that stands in none. */
export function roomOf(file: string): string {
  const room = FLOORS.flat().find((name) => file.startsWith(`${name}/`));
  if (room === undefined)
    throw new Error(`${file} stands in no room. Add its folder to FLOORS (tests/house/rooms.ts).`);
  return room;
}

const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));

/** Arrows between rooms, "from -> to". */
export function arrowsOf(imports: readonly Import[]): Set<string> {
  return new Set(
    imports
      .map(({ from, to }) => [roomOf(from), roomOf(to)] as const)
      .filter(([from, to]) => from !== to)
      .map(([from, to]) => `${from} -> ${to}`),
  );
}

/** Imports that do not go down: from a room to one on the same floor or above. */
export function importsBack(imports: readonly Import[]): Import[] {
  return imports.filter(({ from, to }) => {
    const [user, used] = [roomOf(from), roomOf(to)];
    return user !== used && floorOf(used) >= floorOf(user);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const imports = readImports();
  const back = importsBack(imports);
  for (const [floor, rooms] of [...FLOORS.entries()].reverse()) console.log(`floor ${floor + 1}: ${rooms.join(", ")}`);
  console.log(`${FLOORS.flat().length} rooms, ${FLOORS.length} floors, ${arrowsOf(imports).size} arrows`);
  console.log(`${back.length} imports back up`);
  for (const { from, to } of back) console.log(`  ${from} -> ${to}`);
}
