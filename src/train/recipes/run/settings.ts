// The names of a setting: camelCase inside, snake_case in a config file, kebab-case as a flag; and what is said of a wrong value.

import type { z } from "zod";
import { InputError } from "../../../shared/errors.ts";

/** `adamBeta1` -> `adam_beta1`. */
export function settingName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const SHORT_FLAGS: Readonly<Record<string, string>> = {
  numTrainEpochs: "--epochs",
  perDeviceTrainBatchSize: "--batch-size",
  outputDir: "--output",
  loraR: "--rank",
  loraAlpha: "--alpha",
  loraTargetModules: "--target",
};

/** `adamBeta1` -> `--adam-beta1`; some are shorter than their setting. */
export function flagOf(key: string): string {
  const short = Object.entries(SHORT_FLAGS).find(([name]) => name === key)?.[1];
  return short ?? `--${settingName(key).replaceAll("_", "-")}`;
}

/** Settings as a JSON file has them. */
export function settingsToJson(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [settingName(key), value]));
}

/** The first of the settings that is of a wrong type or out of range; `shown` gives its name as its author wrote it. */
export function badSetting(
  error: z.ZodError,
  given: {
    settings: Readonly<Record<string, unknown>>;
    shown: (key: string) => string;
    where: string;
    defaults: object;
  },
): InputError {
  const issue = error.issues[0];
  const key = String(issue?.path[0] ?? issue?.code);
  const standard = Object.entries(given.defaults).find(([name]) => name === key)?.[1];
  return new InputError({
    code: "bad_setting",
    what: `${given.shown(key)} is ${JSON.stringify(given.settings[key])}: ${issue?.message ?? "invalid"}`,
    where: given.where,
    fix: `The default is ${JSON.stringify(standard)}.`,
    cause: error,
  });
}
