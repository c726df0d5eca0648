// A child for tests of remote gradients: the gradient of a parameter is the parameter times what is asked; it fails where it is told to.

import { existsSync, writeFileSync } from "node:fs";
import { InputError } from "../../../src/shared/errors.ts";
import { answerGradientRequests } from "../../../src/train/optim/remote-gradients.ts";
import { tf } from "../../../src/train/tensorflow/tensorflow.ts";

/** `add` names a frozen parameter that is added to `a`; `dieUnless` a file, without which it writes the file and dies. */
export type Work = { times: number; add?: string; dieUnless?: string } | { refuse: string } | { die: true };

answerGradientRequests<Work, number>((p, _config, work, frozen) => {
  if ("refuse" in work) throw new InputError({ code: "refused", what: work.refuse });
  if ("die" in work) process.kill(process.pid, "SIGKILL");
  const { times, add, dieUnless } = "times" in work ? work : { times: Number.NaN };
  if (dieUnless !== undefined && !existsSync(dieUnless)) {
    writeFileSync(dieUnless, "");
    process.kill(process.pid, "SIGKILL");
  }
  const gradients = tf.tidy(() =>
    Object.fromEntries(
      Object.entries(p).map(([name, value]) => {
        const more = add !== undefined && name === "a" ? frozen[add] : undefined;
        return [name, more === undefined ? tf.mul(value, times) : tf.add(tf.mul(value, times), more)];
      }),
    ),
  );
  return { figures: tf.memory().numTensors, gradients };
});
