// Search over reasoning steps, guided by a reward model: from every kept prefix several next steps are written, and the prefixes that
// score best are kept. Two ways of keeping:
//   step_beam  the best of all prefixes together (Snell et al. 2024, arXiv:2408.03314, section 5.1)
//   dvts       the best of each subtree: diverse verifier tree search (Beeching et al. 2024, "Scaling test-time compute")
// A finished solution keeps its place, and costs nothing more. Pure: what must be written is yielded, what was written is sent back, so
// that one search runs in a worker and thousands run side by side in the trainer.

import { type Aggregation, aggregateScores } from "../aggregate.ts";

export const STEP_SEARCHES = ["step_beam", "dvts"] as const;
export type StepSearchKind = (typeof STEP_SEARCHES)[number];

export interface StepSearchOptions {
  kind: StepSearchKind;
  /** Prefixes kept after each step: beams, or subtrees. */
  width: number;
  /** Next steps written from each. */
  expand: number;
  /** Most steps of a solution. */
  depth: number;
  /** Most new tokens of one step. */
  maxStepTokens: number;
  /** Most tokens written in all; never exceeded. */
  budgetTokens: number;
  /** How the step scores of a prefix make its rank. */
  aggregation: Aggregation;
  /** Hears of each round: every solution that will be returned begins with one of the prefixes kept. */
  onRound?: ((round: StepSearchRound) => void) | undefined;
}

/** Where a search stands after a round. */
export interface StepSearchRound {
  /** From 1. */
  round: number;
  /** Tokens written so far. */
  tokens: number;
  /** Best first. */
  kept: readonly Solution[];
  /** The tree's new steps; equal continuations of a prefix are one. */
  nodes: readonly SearchNode[];
  /** Ids of all that are still in the search. */
  keptIds: readonly number[];
}

/** A step in the tree of a search. The roots, where nothing is written, have the ids before the first node's. */
export interface SearchNode {
  id: number;
  parent: number;
  /** The step, without its newline. */
  text: string;
  /** Of the prefix that ends with it; null where there is no step to score. */
  score: number | null;
  finished: boolean;
}

/** Next steps to be written from one prefix. */
export interface Ask {
  /** Steps so far, each ended by its newline; "" at the start. */
  prefix: string;
  /** How many continuations. */
  count: number;
  maxNewTokens: number;
  /** Different for every ask of a search: what the random numbers of its rows follow from, with the seed. */
  stream: number;
}

/** One continuation of an ask's prefix. */
export interface Expansion {
  /** Prefix and new step, the newline included if it was written. */
  text: string;
  /** Tokens written. */
  tokens: number;
  /** Sum of their log-probs. */
  logp: number;
  /** The solution ended by itself. */
  finished: boolean;
  /** A score for each step of `text`. */
  stepScores: readonly number[];
}

/** A solution, or what there is of it when depth or budget ended it. */
export interface Solution {
  text: string;
  stepScores: readonly number[];
  /** Aggregated; below every score where there is no step. */
  score: number;
  logp: number;
  finished: boolean;
}

export interface StepSearchResult {
  /** Best first, finished ones before others. */
  solutions: Solution[];
  /** Tokens written, those of dropped continuations included. */
  tokens: number;
  /** Rounds of steps. */
  rounds: number;
}

export type StepSearch = Generator<Ask[], StepSearchResult, readonly (readonly Expansion[])[]>;

/** A prefix on its way, and the subtree that it belongs to. */
interface Node extends Solution {
  id: number;
  subtree: number;
  /** Nothing more can be written after it. */
  ended: boolean;
}

/** Runs a search: yields what must be written; a list of expansions an ask is sent back, empty where nothing can follow. */
export function* stepSearch(options: StepSearchOptions): StepSearch {
  const { kind, width, expand, depth, aggregation } = options;
  const root: Solution = { text: "", stepScores: [], score: Number.NEGATIVE_INFINITY, logp: 0, finished: false };
  let nodes: Node[] = Array.from({ length: kind === "dvts" ? width : 1 }, (_, subtree) => ({
    ...root,
    id: subtree,
    subtree,
    ended: false,
  }));
  let nextId = nodes.length;
  const spending = { tokens: 0, continuations: 0 };
  let rounds = 0;
  let stream = 0;
  for (; rounds < depth; rounds++) {
    const perRoot = kind === "dvts" || rounds > 0 ? expand : width * expand;
    const plan = planRound(openNodes(nodes), perRoot, options, spending);
    if (plan.open.length === 0) break;
    const asks = plan.open.map(({ text }) => ({
      prefix: text,
      count: plan.count,
      maxNewTokens: plan.maxNewTokens,
      stream: stream++,
    }));
    const expansions = yield asks;
    const told: SearchNode[] = [];
    const grown = plan.open.flatMap((node, at) => {
      const nexts = distinct(expansions[at] ?? []);
      if (nexts.length === 0) return [{ ...node, ended: true }];
      return nexts.map((expansion): Node => {
        spending.tokens += expansion.spent;
        spending.continuations += expansion.times;
        const { subtree } = node;
        const next = { ...solutionOf(node, expansion, aggregation), id: nextId++, subtree, ended: expansion.finished };
        told.push(nodeOf(node, next));
        return next;
      });
    });
    const closed = nodes.filter((node) => !plan.open.includes(node));
    nodes = kind === "dvts" ? bestOfEach([...closed, ...grown]) : byRank([...closed, ...grown]).slice(0, width);
    const kept = byRank(nodes).filter(({ text, ended }) => text !== "" || !ended);
    const keptIds = nodes.map(({ id }) => id);
    options.onRound?.({ round: rounds + 1, tokens: spending.tokens, kept, nodes: told, keptIds });
  }
  const written = byRank(nodes).filter(({ text }) => text !== "");
  const solutions = [...written.filter(({ finished }) => finished), ...written.filter(({ finished }) => !finished)];
  return {
    solutions: solutions.map(({ id: _, subtree: __, ended: ___, ...solution }) => solution),
    tokens: spending.tokens,
    rounds,
  };
}

function openNodes(nodes: readonly Node[]): Node[] {
  return nodes.filter(({ ended }) => !ended);
}

/**
 * Which prefixes are continued, how often and how far: never so many that the budget could be exceeded, and only as many as it is likely
 * to carry through a whole step. Fewer continuations first, then fewer prefixes, the best-scored ones.
 */
function planRound(
  open: readonly Node[],
  perNode: number,
  { budgetTokens, maxStepTokens }: StepSearchOptions,
  spending: { tokens: number; continuations: number },
): { open: Node[]; count: number; maxNewTokens: number } {
  const left = budgetTokens - spending.tokens;
  if (left < 1 || open.length === 0) return { open: [], count: 0, maxNewTokens: 0 };
  const stepTokens = spending.continuations === 0 ? 1 : Math.max(1, spending.tokens / spending.continuations);
  const rows = Math.max(1, Math.min(open.length * perNode, Math.floor(left / stepTokens)));
  const kept = rows < open.length ? byRank(open).slice(0, rows) : [...open];
  const count = Math.floor(rows / kept.length);
  return { open: kept, count, maxNewTokens: Math.min(maxStepTokens, Math.floor(left / (kept.length * count))) };
}

/** Equal continuations once, with what all of them cost. */
function distinct(expansions: readonly Expansion[]): (Expansion & { spent: number; times: number })[] {
  const byText = new Map<string, Expansion & { spent: number; times: number }>();
  for (const expansion of expansions) {
    const key = `${expansion.finished}${expansion.text}`;
    const known = byText.get(key);
    if (known === undefined) byText.set(key, { ...expansion, spent: expansion.tokens, times: 1 });
    else {
      known.spent += expansion.tokens;
      known.times += 1;
    }
  }
  return [...byText.values()];
}

function solutionOf(from: Solution, expansion: Expansion, aggregation: Aggregation): Solution {
  const { text, stepScores, finished, logp } = expansion;
  const score = stepScores.length === 0 ? Number.NEGATIVE_INFINITY : aggregateScores(stepScores, aggregation);
  return { text, stepScores, score, logp: from.logp + logp, finished };
}

function nodeOf(parent: Node, { id, text, score, finished }: Node): SearchNode {
  const step = text.slice(parent.text.length).trim();
  return { id, parent: parent.id, text: step, score: Number.isFinite(score) ? score : null, finished };
}

/** Best score first; equal ones by log-prob, then as they were. */
function byRank<T extends Solution>(solutions: readonly T[]): T[] {
  const difference = (a: number, b: number): number => (a === b ? 0 : b - a); // of two infinities, too
  return [...solutions].sort((a, b) => difference(a.score, b.score) || difference(a.logp, b.logp));
}

function bestOfEach(nodes: readonly Node[]): Node[] {
  const best = new Map<number, Node>();
  for (const node of byRank(nodes)) if (!best.has(node.subtree)) best.set(node.subtree, node);
  return [...best.values()].sort((a, b) => a.subtree - b.subtree);
}
