// The manifest beside exported ONNX files: what they are, how large, their sha256, and what the worker must know to use them.

import { z } from "zod";
import { ArtifactError } from "./errors.ts";
import { DTYPES } from "./onnx-names.ts";

export const MANIFEST_FILE = "stepwise_manifest.json";

/** The worker's own low-memory form: three graphs, their weights, and an embedding that is read outside of the graphs. */
const LEAN_ROLES = [
  "lean_encoder",
  "lean_decoder",
  "lean_head",
  "lean_weights",
  "lean_embedding",
  "lean_embedding_scales",
] as const;

/** Of the form that is written now; exports of earlier ones are read, too. 2: small models are not rounded. */
export const LEAN_VERSION = 2;

/** A path inside the model folder, with `/`: no part of it may lead out, for files are laid out and served by these paths. */
const inside = z
  .string()
  .regex(/^[\w.-]+(\/[\w.-]+)*$/)
  .refine(
    (path) => !path.split("/").some((part) => part === "." || part === ".."),
    "must stay inside the model folder",
  );

const file = z.object({
  path: inside,
  role: z.enum(["config", "generation_config", "tokenizer", "tokenizer_config", "encoder", "decoder", ...LEAN_ROLES]),
  /** Only for graphs and weights. */
  dtype: z.enum(DTYPES).optional(),
  /** Only for a lean graph: paths of the files that hold its weights. */
  weights: z.array(inside).optional(),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const manifestSchema = z.object({
  format: z.literal(1),
  /** Name shown by /info and in responses, e.g. the folder name. */
  model: z.string().min(1),
  created: z.iso.datetime(),
  template_version: z.string(),
  /** First token ids of "yes" and "no" in this tokenizer. */
  judge: z.object({ yes_token_id: z.number().int().nonnegative(), no_token_id: z.number().int().nonnegative() }),
  /** A process reward model: scores all steps in one pass, and writes no text. Absent: a policy, which can also judge zero-shot. */
  reward: z.object({ type: z.literal("process") }).optional(),
  /**
   * The low-memory graphs hold a base model and an adapter, whose strength is their input: 1 is this model, 0 its base, named here, which
   * then is the judge where policy and reward model are one folder.
   */
  adapter: z.object({ base: z.string().min(1) }).optional(),
  /** Rows of the low-memory decoder have lengths of their own, so that requests share its steps. Absent in older exports. */
  rows: z.object({ version: z.literal([1, LEAN_VERSION]) }).optional(),
  limits: z.object({ max_source_tokens: z.number().int().positive(), max_target_tokens: z.number().int().positive() }),
  files: z.array(file).min(1),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = z.infer<typeof file>;

/** Whether a file belongs to the worker's own low-memory form. */
export function isLean({ role }: Pick<ManifestFile, "role">): boolean {
  return LEAN_ROLES.some((lean) => lean === role);
}

/** Parses stepwise_manifest.json. Throws ArtifactError naming the field. */
export function parseManifest(json: unknown, where = MANIFEST_FILE): Manifest {
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ArtifactError({
    code: "bad_manifest",
    what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
    where,
    fix: "Export the model again: npm run export -- --model DIR.",
    cause: parsed.error,
  });
}
