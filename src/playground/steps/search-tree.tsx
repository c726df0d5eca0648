// The tree of a step search: every step that was tried under the one it follows, what was kept, what was dropped, and the path of the answer.

import type { SearchNode } from "../../shared/search/step-search.ts";
import { splitSteps } from "../../shared/steps.ts";
import { ScoreMark } from "./score-mark.tsx";

export interface ShownTree {
  nodes: readonly SearchNode[];
  /** Still in the search. */
  kept: ReadonlySet<number>;
  best: { generated_text: string } | undefined;
}

export interface Branch extends SearchNode {
  /** `open`: still in the search; `passed`: something after it is, or was; `dropped`; `answer`: part of the solution. */
  state: "open" | "passed" | "dropped" | "answer";
  next: Branch[];
}

/** The nodes as branches below the roots, best first. */
function branchesOf({ nodes, kept, best }: ShownTree): Branch[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const parents = new Set(nodes.map(({ parent }) => parent));
  const wanted = best === undefined ? [] : splitSteps(best.generated_text).map(({ text }) => text);
  const below = (parent: number, path: readonly string[]): Branch[] =>
    grow(
      nodes.filter((node) => node.parent === parent),
      path,
    );
  const grow = (list: readonly SearchNode[], path: readonly string[]): Branch[] =>
    [...list]
      .sort((a, b) => (b.score ?? -1) - (a.score ?? -1))
      .map((node) => {
        const own = [...path, node.text];
        const isAnswer = wanted.length > 0 && own.every((text, at) => text === wanted[at]);
        const rest = parents.has(node.id) ? "passed" : "dropped";
        return { ...node, state: isAnswer ? "answer" : kept.has(node.id) ? "open" : rest, next: below(node.id, own) };
      });
  return grow(
    nodes.filter(({ parent }) => !ids.has(parent)),
    [],
  );
}

const NAMES = { open: "kept", passed: "gone on from", dropped: "dropped", answer: "answer" } as const;

export function SearchTree({ tree }: { tree: ShownTree }) {
  return <Branches branches={branchesOf(tree)} />;
}

function Branches({ branches }: { branches: readonly Branch[] }) {
  if (branches.length === 0) return null;
  return (
    <ul class="tree">
      {branches.map(({ id, text, score, finished, state, next }) => (
        <li key={id} class={state === "answer" ? "chosen" : state}>
          <ScoreMark score={score} label="prefix" /> <span class="step-text">{text}</span>{" "}
          <span class="tag">
            {NAMES[state]}
            {finished ? ", complete" : ""}
          </span>
          <Branches branches={next} />
        </li>
      ))}
    </ul>
  );
}
