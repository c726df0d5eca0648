// What a run trains: all weights of the model, or a low-rank adapter beside frozen ones. The recipe sees parameters that change,
// parameters that do not, and how to save; both kinds have the same loop.

import { resolve } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { ADAPTER_SCALE, type Parameters } from "../../model/parameters.ts";
import { saveAdapter } from "../../store/adapter-folder.ts";
import { hashWeights } from "../../store/hash.ts";
import { createAdapter, frozenParameters, loadAdapter } from "../../store/lora/adapter.ts";
import { targetProjections } from "../../store/lora/projections.ts";
import { loadModel, type Model, saveModel } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import type { TrainConfig } from "./config.ts";

export interface Trainable {
  /** What the optimizer takes over. */
  initial: Parameters;
  /** The rest of the policy's parameters; none when all weights are trained. */
  frozen: Parameters;
  /** Writes a folder that loads as a model, from what the optimizer has. */
  save(dir: string, trained: Parameters): Promise<void>;
  /** Frees the frozen parameters. */
  dispose(): void;
}

/**
 * Takes over the base model's tensors. `checkpoint` is the folder that a resumed run continues from. Throws InputError for a projection
 * that the model does not have, ArtifactError or ShapeError for a checkpoint that does not fit.
 */
export async function createTrainable(
  config: TrainConfig,
  base: Model,
  checkpoint: string | undefined,
): Promise<Trainable> {
  return config.adapter === "lora" ? adapterOn(config, base, checkpoint) : wholeModel(base, checkpoint);
}

async function wholeModel(base: Model, checkpoint: string | undefined): Promise<Trainable> {
  const model = checkpoint === undefined ? base : await loadModel(checkpoint);
  if (model !== base) tf.dispose(base.parameters);
  return {
    initial: model.parameters,
    frozen: {},
    save: (dir, trained) => saveModel(dir, base, trained),
    dispose: () => {},
  };
}

async function adapterOn(config: TrainConfig, base: Model, checkpoint: string | undefined): Promise<Trainable> {
  const baseHash = await hashWeights(base.dir);
  const targets = targetsOf(config);
  const { settings, parameters } =
    checkpoint === undefined
      ? createAdapter(base.config, { rank: config.loraR, alpha: config.loraAlpha, targets, seed: config.seed })
      : await loadAdapter(checkpoint, base.config, { dir: base.dir, hash: baseHash });
  const frozen = frozenParameters(base.parameters, settings);
  return {
    initial: parameters,
    frozen,
    save: (dir, trained) => {
      // with tokens added the adapter stands on the run's own copy of the model, which lies elsewhere until the run begins
      const baseName = config.addTokens === null ? config.model : base.dir;
      return saveAdapter(dir, { base, baseName, baseHash, settings, parameters: trained });
    },
    dispose: () => tf.dispose([frozen[ADAPTER_SCALE] ?? [], base.parameters]),
  };
}

/** Refuses an adapter that the model cannot have, before any work. Throws InputError. */
export function checkAdapterRun(config: TrainConfig, base: Model): void {
  if (config.adapter === "none") return;
  targetProjections(base.config, targetsOf(config));
  if (resolve(base.dir) !== resolve(config.outputDir)) return;
  throw new InputError({
    code: "adapter_on_base",
    what: "the adapter would be written over its own base model",
    where: config.outputDir,
    fix: "Name another --output.",
  });
}

function targetsOf({ loraTargetModules }: TrainConfig): string[] {
  return [...new Set(loraTargetModules.split(",").map((target) => target.trim()))];
}
