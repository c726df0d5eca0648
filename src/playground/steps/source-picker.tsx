// Who answers, and how far the model in this browser is.

import { knowsGpu } from "../local/gpu/has-gpu.ts";
import { closeLocal, local } from "../local/local-model.ts";
import { chooseSource, SOURCE_NAMES, SOURCES, source, sources, tryGpu } from "../state/session.ts";

export function SourcePicker() {
  return (
    <label class="inline">
      Run on
      <select
        value={source.value}
        onChange={(event) => {
          const chosen = sources.value.find((each) => each === event.currentTarget.value);
          if (chosen !== undefined) chooseSource(chosen);
        }}
      >
        {sources.value.map((each) => (
          <option key={each} value={each}>
            {SOURCE_NAMES[each]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Download, cache, threads; nothing while the browser's model is closed. */
export function LocalStatus() {
  const now = local.value;
  if (now.state === "opening") {
    const { loaded = 0, total = 0 } = now.progress ?? {};
    return (
      <p class="row local" role="status">
        <label class="inline">
          Loading the model into this browser
          <progress value={loaded} max={Math.max(total, 1)} />
        </label>
        <span class="soft">
          {megabytes(loaded)} of {megabytes(total)}
        </span>
        <button type="button" class="quiet" onClick={() => giveUp()}>
          Cancel
        </button>
      </p>
    );
  }
  if (now.state !== "open") return null;
  const cached = now.progress !== undefined && now.progress.cached === now.progress.loaded;
  const where = now.device === "gpu" ? "on this browser's GPU" : "in this browser";
  const threads = now.device === "gpu" ? "" : now.threads === 1 ? ", one thread" : `, ${now.threads} threads`;
  return (
    <div class="row local">
      <p class="soft" role="status">
        {now.instead !== undefined && <>The GPU is not used: {now.instead}. </>}
        The model runs {where}: opened in {(now.ms / 1000).toFixed(1)} s, {megabytes(now.progress?.loaded ?? 0)}{" "}
        {cached ? "from its cache" : "loaded"}
        {threads}. Nothing is sent anywhere.
      </p>
      {source.value === "browser" && knowsGpu() && (
        <button type="button" class="quiet" onClick={tryGpu}>
          Try this browser's GPU
        </button>
      )}
    </div>
  );
}

function giveUp(): void {
  const other = SOURCES.find((each) => each !== "browser");
  if (other === undefined) closeLocal();
  else chooseSource(other);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
