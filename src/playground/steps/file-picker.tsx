// A file that is read in the browser: chosen, or dropped here. What cannot be read is told, and changes nothing.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

/** Files above this are not read: the page would hang. */
const MAX_FILE_BYTES = 64_000_000;

interface FilePickerProps {
  label: string;
  /** Takes the file's text; throws what is wrong with it. */
  onText: (text: string, name: string) => Promise<void>;
  children?: ComponentChildren;
}

export function FilePicker({ label, onText, children }: FilePickerProps) {
  const problem = useSignal<string | undefined>(undefined);
  const over = useSignal(false);
  const read = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    problem.value = undefined;
    try {
      if (file.size > MAX_FILE_BYTES) throw new Error(`it has ${Math.ceil(file.size / 1e6)} MB, at most 64 are read.`);
      await onText(await file.text(), file.name);
    } catch (error) {
      problem.value = `${file.name} was not taken: ${error instanceof Error ? error.message : String(error)} What was here stays.`;
    }
  };
  return (
    <section
      aria-label="Drop a file here"
      class={over.value ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => {
        over.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        void read(event.dataTransfer?.files[0]);
      }}
    >
      <div class="row">
        <label class="inline">
          {label}
          <input
            type="file"
            accept=".jsonl,.ndjson,.json,.csv,text/csv"
            onChange={(event) => {
              void read(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
        </label>
        {children}
      </div>
      {problem.value !== undefined && (
        <div class="problem" role="alert" data-kind="file">
          <p>{problem.value}</p>
        </div>
      )}
    </section>
  );
}
