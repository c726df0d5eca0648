import { Command } from "commander";
import { expect, test } from "vitest";
import { addTrainFlags, trainFlags } from "../../scripts/train-flags.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS } from "../../src/train/recipes/dpo/config.ts";
import { settingsToJson } from "../../src/train/recipes/run/settings.ts";

function parse(...argv: string[]): Command {
  return addTrainFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .parse(argv, { from: "user" });
}

test("flags become settings under the config's names", () => {
  const command = parse("--epochs", "1", "--batch-size=4", "--output", "out", "--learning-rate", "1e-4", "--resume");
  expect(trainFlags(command)).toEqual({
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: 4,
    outputDir: "out",
    learningRate: 1e-4,
  });
  expect(command.opts()).toMatchObject({ resume: true });
});

test("flags that were not given leave the config file alone", () => {
  expect(trainFlags(parse())).toEqual({});
  expect(resolveTrainConfig({ beta: 0.5 }, trainFlags(parse("--seed", "1")))).toMatchObject({ beta: 0.5, seed: 1 });
});

test("every setting has a flag, shown with its default", () => {
  const help = addTrainFlags(new Command()).helpInformation();
  expect(help.match(/^ {2}--/gm)?.length).toBe(Object.keys(settingsToJson(TRAIN_DEFAULTS)).length + 2);
  expect(help.replace(/\s+/g, " ")).toContain("passes over the data (default: 3)");
});

test.each([
  [["--learning-rate", "fast"], /Not a number/],
  [["--seed", ""], /Not a number/],
  [["--aggregation", "median"], /Allowed choices are mean, sum, min, prod, last/],
  [["--learnin-rate", "1"], /Did you mean --learning-rate/],
])("a wrong flag is refused: %j", (argv, message) => {
  expect(() => parse(...argv)).toThrow(message);
});

test.each([
  ["--batch-size", "0"],
  ["--epochs", "-1"],
  ["--gradient-accumulation-steps", "1.5"],
])("a value out of range is blamed on the flag as it was written: %s %s", (flag, value) => {
  expect(() => resolveTrainConfig({}, trainFlags(parse(`${flag}=${value}`)))).toThrow(
    new RegExp(`^${flag} is ${value}: .*\\(command line\\)`),
  );
});
