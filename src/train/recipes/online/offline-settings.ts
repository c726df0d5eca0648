// Settings of training on pairs that say nothing where the run makes its own: refused, so that nobody's data are passed over in silence.

import { InputError } from "../../../shared/errors.ts";
import { TRAIN_DEFAULTS, type TrainConfig, type TrainSettings } from "../dpo/config.ts";
import { flagOf, settingName } from "../run/settings.ts";

const SOURCE = "Name the problems with --problem-source (a data file or folder)";
const NOT_READ = "Leave it out";

/** Each with what to do instead. */
const OFFLINE: Partial<Record<keyof TrainConfig, string>> = {
  data: SOURCE,
  format: SOURCE,
  columns: SOURCE,
  chatTemplate: SOURCE,
  split: SOURCE,
  strictVocabulary: `${NOT_READ}: the policy writes its own words`,
  samplePrompts: `${NOT_READ}: rounds/N/rollouts.jsonl has every sample`,
  evalSteps: `${NOT_READ}: --validation-problems measures the policy after every round`,
};

/**
 * Throws InputError for the first such setting: given as a flag, or in the config file (whose saved form names all settings) with another
 * value than the default.
 */
export function refuseOfflineSettings(flags: TrainSettings, config: TrainConfig): void {
  for (const key of Object.keys(OFFLINE).filter((name): name is keyof TrainConfig => name in OFFLINE)) {
    const isFlag = flags[key] !== undefined;
    if (!isFlag && config[key] === TRAIN_DEFAULTS[key]) continue;
    throw new InputError({
      code: "offline_flag",
      what: `${isFlag ? flagOf(key) : `"${settingName(key)}"`} belongs to training on pairs, and --online makes its own`,
      where: isFlag ? "command line" : "config file",
      fix: `${OFFLINE[key]}, or leave out --online.`,
    });
  }
}
