// A text file written line by line under a temporary name, and renamed when it is whole.

import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { InputError } from "../../shared/errors.ts";
import { writeBytes } from "./write-bytes.ts";

const BUFFER_CHARACTERS = 2 ** 18;

/** Call `finish` or `discard` when done. */
export class LineFile {
  /** Where the lines lie until `finish`. */
  readonly temporary: string;
  private readonly path: string;
  private readonly file: FileHandle;
  private text = "";

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.path = path;
    this.temporary = temporary;
    this.file = file;
  }

  /** Makes the file and its folder. Throws InputError when the place cannot be written. */
  static async create(path: string): Promise<LineFile> {
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      await mkdir(dirname(path), { recursive: true });
      return new LineFile(path, temporary, await open(temporary, "w"));
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
      const fix = "Name another output with --output.";
      throw new InputError({ code: "cannot_write", what: `cannot write (${code})`, where: path, fix, cause });
    }
  }

  /** Adds text with its line ends. Throws CapacityError when the disk is full. */
  write(lines: string): Promise<void> | undefined {
    this.text += lines;
    return this.text.length < BUFFER_CHARACTERS ? undefined : this.flush();
  }

  /** Writes out what is held back; the file stays open. */
  async flush(): Promise<void> {
    const { text } = this;
    this.text = "";
    await writeBytes(this.file, Buffer.from(text), this.path);
  }

  /** Writes the rest and gives the file its name. */
  async finish(): Promise<void> {
    await this.flush();
    await this.file.close();
    await rename(this.temporary, this.path);
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.temporary, { force: true });
  }
}
