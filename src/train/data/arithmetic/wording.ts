// The words of the problems: sentence templates and the closed vocabulary that they make.
// Slots: {S} subject (capital), {o} her/him, {p} her/his, {N} the person's name, {T} another person, {i} items, {c} containers,
// {a} {b} numbers. The other person is of the other gender, so that a pronoun always means the subject.

export const GIRLS = ["Mia", "Ana", "Lily", "Emma", "Zoe", "Ruth", "Nora", "Eva", "Rosa", "Ella"] as const;
export const BOYS = ["Tom", "Ben", "Sam", "Leo", "Max", "Jack", "Omar", "Paul", "Ivan", "Carl"] as const;
export const FOODS = [
  "apples",
  "pears",
  "plums",
  "eggs",
  "nuts",
  "cookies",
  "cakes",
  "lemons",
  "peaches",
  "muffins",
] as const;
export const THINGS = [
  "books",
  "pens",
  "coins",
  "cards",
  "stamps",
  "shells",
  "marbles",
  "balls",
  "toys",
  "beads",
  "stickers",
  "rings",
] as const;
export const CONTAINERS = ["boxes", "bags", "baskets", "packs", "jars", "trays"] as const;
/** What may stand before the pronoun at the start of a sentence. */
export const LEADS = ["Then", "Later", "Next", "After that"] as const;

/** Templates by what they do to the amount that the person has; `food` and `thing` are used only with such items. */
export const SENTENCES = {
  start: ["{N} has {a} {i}.", "{N} starts with {a} {i}.", "There are {a} {i} on the table of {N}."],
  startProduct: ["{N} has {a} {c} with {b} {i} each.", "{N} has {a} {c} and each holds {b} {i}."],
  add: [
    "{S} buys {a} more {i}.",
    "{S} finds {a} {i}.",
    "{T} gives {o} {a} {i}.",
    "{S} gets {a} {i} from {T}.",
    "{S} receives {a} new {i}.",
    "{S} finds {a} more {i} at home.",
  ],
  addFood: ["{S} picks {a} more {i}."],
  addThing: ["{S} wins {a} {i} in a game."],
  subtract: [
    "{S} gives {a} {i} to {T}.",
    "{S} loses {a} {i}.",
    "{S} sells {a} of the {i}.",
    "{T} takes {a} of the {i}.",
    "{S} gives away {a} {i}.",
    "{S} sends {a} {i} to {p} aunt.",
  ],
  subtractFood: ["{S} eats {a} {i}."],
  subtractThing: ["{S} lends {a} {i} to a friend."],
  double: ["{S} doubles the number of {i}.", "{S} gets as many {i} again from {T}."],
  multiply: ["A week after that {N} has {a} times as many {i}.", "The number of {i} grows to {a} times as many."],
  halve: ["{S} gives half of the {i} to {T}.", "{S} loses half of the {i}.", "{S} sells half of {p} {i}."],
  divide: [
    "{S} splits the {i} into {a} equal parts and keeps one part.",
    "{S} shares the {i} equally among {a} people and keeps one share.",
  ],
  addProduct: [
    "{S} buys {a} {c} with {b} {i} each.",
    "{S} finds {a} {c} with {b} {i} in each.",
    "{S} gets {a} {i} from each of {b} friends.",
    "{S} buys {a} {i} a day for {b} days.",
  ],
  subtractProduct: [
    "{S} sells {a} {c} with {b} {i} each.",
    "{S} gives {a} {i} to each of {b} friends.",
    "{S} loses {a} {i} a day for {b} days.",
  ],
  addSum: ["{S} buys {a} big {i} and {b} small {i}.", "{S} finds {a} old {i} and {b} new {i}."],
  subtractSum: ["{S} sells {a} big {i} and {b} small {i}.", "{S} gives away {a} old {i} and {b} new {i}."],
  addDifference: ["{T} has {a} {i} and gives all but {b} of them to {N}."],
  addHalf: ["{T} has {a} {i} and gives half of them to {N}."],
  addQuotient: ["{T} shares {a} {i} equally among {b} friends and {N} is one of them."],
  otherHas: ["{T} has {a} {i}."],
  otherTimes: ["{T} has {a} times as many {i} as {N}."],
  otherTwice: ["{T} has twice as many {i} as {N}."],
  otherHalf: ["{T} has half as many {i} as {N}."],
  otherMore: ["{T} has {a} more {i} than {N}."],
  otherFewer: ["{T} has {a} fewer {i} than {N}."],
  askOwn: ["How many {i} does {N} have?", "How many {i} does {N} have now?", "How many {i} does {N} have in the end?"],
  askTogether: ["How many {i} do they have together?", "How many {i} do {N} and {T} have in all?"],
  askDifference: ["How many more {i} than {T} does {N} have?"],
} as const;
export type SentenceKind = keyof typeof SENTENCES;

/** Words before the equation of a solution step. */
export const STEP_STARTS = {
  own: "{N} has",
  part: "That is",
  other: "{T} has",
  together: "They have",
  difference: "{N} has",
} as const;
/** Words after it. */
export const STEP_ENDS = { plain: "{i}", more: "more {i}" } as const;

/** What the slots of one problem's templates stand for; {S} is drawn for each sentence. */
export interface Cast {
  name: string;
  pronoun: "She" | "He";
  other: string;
  items: string;
  containers: string;
}

/** What fills the slots {S}, {a} and {b} of one sentence. */
export interface Slots {
  subject: string;
  a: number | undefined;
  b: number | undefined;
}

/** Replaces the slots of a template. */
export function fillTemplate(template: string, cast: Cast, slots?: Slots): string {
  return template.replace(/\{(\w)\}/g, (_, slot: string) => {
    switch (slot) {
      case "N":
        return cast.name;
      case "T":
        return cast.other;
      case "S":
        return slots?.subject ?? cast.pronoun;
      case "o":
        return cast.pronoun === "She" ? "her" : "him";
      case "p":
        return cast.pronoun === "She" ? "her" : "his";
      case "i":
        return cast.items;
      case "c":
        return cast.containers;
      case "a":
        return String(slots?.a);
      default:
        return String(slots?.b);
    }
  });
}

/**
 * Every word and punctuation mark that prompts and solutions are made of, sorted, each once, case kept. Numbers are written in digits:
 * "0" to "9" are not in the list, nor are the space and the newline.
 */
export function vocabularyWords(): string[] {
  const texts: string[] = [
    ...GIRLS,
    ...BOYS,
    ...FOODS,
    ...THINGS,
    ...CONTAINERS,
    ...LEADS,
    "She He she he her him his",
    "A : + - * / =",
  ];
  for (const templates of Object.values(SENTENCES)) texts.push(...templates);
  texts.push(...Object.values(STEP_STARTS), ...Object.values(STEP_ENDS));
  const words = texts.flatMap((text) => text.replace(/\{\w\}/g, " ").match(/[A-Za-z]+|[^\sA-Za-z]/g) ?? []);
  return [...new Set(words)].sort();
}
