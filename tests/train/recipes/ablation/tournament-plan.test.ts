// The tournament's plan that ships: every method's settings are ones that an online run takes.

import { expect, test } from "vitest";
import { chosenMethods, readTournament } from "../../../../src/train/recipes/ablation/tournament-plan.ts";
import { resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { onlineSettingsFromJson, resolveOnlineSettings } from "../../../../src/train/recipes/online/settings.ts";

test("all methods of data/tournament.json resolve, and share the budget and the length of the updates", async () => {
  const plan = await readTournament("data/tournament.json");
  for (const method of plan.methods) {
    const config = resolveTrainConfig({ ...plan.train, ...method.train }, { model: plan.model }, method.name);
    const given = onlineSettingsFromJson({ ...plan.online, ...method.online }, method.name);
    const settings = resolveOnlineSettings(given, { lossType: config.lossType, hasRewardModel: true });
    expect([method.name, settings.budgetTokens, settings.rounds, config.maxSteps]).toEqual([
      method.name,
      180_000,
      3,
      50,
    ]);
  }
  const learnt = plan.methods.map(({ name, train, online }) => [
    name,
    train.loss_type ?? "sft",
    online.search ?? "none",
  ]);
  expect(learnt.slice(0, 3)).toEqual([
    ["rejection", "sft", "none"],
    ["guided", "sft", "step-retry"],
    ["guided-prm", "sft", "step-retry"],
  ]);
});

test("methods are chosen by name, and a name that none has is an error that lists them", async () => {
  const plan = await readTournament("data/tournament.json");
  expect(chosenMethods(plan, ["guided"]).map(({ name }) => name)).toEqual(["guided"]);
  expect(() => chosenMethods(plan, ["nosuch"])).toThrow(/no method "nosuch" \(--only\)\. It has: rejection, guided/);
});
