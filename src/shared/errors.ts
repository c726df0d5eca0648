// Every failure a user can meet: what happened, where, and how to mend it.
// Subclasses say who can mend it: the caller (input), the owner of a model folder (artifact), nobody but a smaller job (capacity).

/** The parts of an error message; `where` names a file and line, a field or a tensor, `fix` the next thing to try. */
export interface ErrorParts {
  code: string;
  what: string;
  where?: string | undefined;
  fix?: string | undefined;
  cause?: unknown;
}

/** Root of all errors thrown on purpose; its message reads `what (where). fix`. */
export class StepwiseError extends Error {
  readonly code: string;
  readonly what: string;
  readonly where: string | undefined;
  readonly fix: string | undefined;

  constructor(parts: ErrorParts) {
    const place = parts.where === undefined ? "" : ` (${parts.where})`;
    const mend = parts.fix === undefined ? "" : ` ${parts.fix}`;
    super(`${parts.what}${place}.${mend}`, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = new.target.name;
    this.code = parts.code;
    this.what = parts.what;
    this.where = parts.where;
    this.fix = parts.fix;
  }
}

/** The user's data, flag or request is wrong. */
export class InputError extends StepwiseError {}

/** A model folder, checkpoint or exported file is missing, damaged or of an unsupported kind. */
export class ArtifactError extends StepwiseError {}

/** Tensors or files do not have the shape their config promises. */
export class ShapeError extends StepwiseError {}

/** A limit was met: length, memory, disk, time, concurrency. */
export class CapacityError extends StepwiseError {}
