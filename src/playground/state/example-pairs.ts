// A file of pairs for who has none at hand: one whose sides are the wrong way round, one whose sides are equal, one with a slip in its sums.

const PAIRS = [
  {
    prompt: "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?",
    chosen: "Mia has 12 + 7 = 19 apples.\nA: 19",
    rejected: "Mia has 12 - 7 = 5 apples.\nA: 5",
  },
  {
    prompt:
      "Ruth has 24 trays with 3 eggs each. Later she sells half of her eggs. How many eggs does Ruth have in the end?",
    chosen: "Ruth has 24 * 3 = 72 eggs.\nRuth has 72 / 2 = 36 eggs.\nA: 36",
    rejected: "Ruth has 24 * 3 = 72 eggs.\nRuth has 72 - 2 = 70 eggs.\nA: 70",
  },
  {
    prompt: "Tom has 45 rings. He loses 9 rings. He doubles the number of rings. How many rings does Tom have?",
    chosen: "Tom has 45 + 9 = 54 rings.\nTom has 54 * 2 = 108 rings.\nA: 108",
    rejected: "Tom has 45 - 9 = 36 rings.\nTom has 36 * 2 = 72 rings.\nA: 72",
  },
  {
    prompt: "Eva has 8 boxes with 7 lemons each. She sells 6 lemons. How many lemons does Eva have?",
    chosen: "Eva has 8 * 7 = 56 lemons.\nEva has 56 - 6 = 50 lemons.\nA: 50",
    rejected: "Eva has 8 * 7 = 56 lemons.\nEva has 56 - 6 = 50 lemons.\nA: 50",
  },
  {
    prompt: "Ben starts with 78 stickers. Eva takes 35 of the stickers. How many stickers does Ben have now?",
    chosen: "Ben has 78 - 35 = 43 stickers.\nA: 43",
    rejected: "Ben has 78 - 35 = 53 stickers.\nA: 53",
  },
];

export const EXAMPLE_PAIRS = PAIRS.map((pair) => JSON.stringify(pair)).join("\n");
