// The address holds the whole state: after `#`, which no browser sends to a server. `#ask`, or `#ask/` and the view's state as JSON, deflated,
// in base64url. A key is never part of it.

import { effect, signal } from "@preact/signals";
import { pack, unpack } from "./pack.ts";

export const VIEWS = ["ask", "compare", "best-of", "data", "developers"] as const;
export type View = (typeof VIEWS)[number];

export const view = signal<View>("ask");

/** A view's part of the address. */
export interface Addressed {
  /** JSON that `restore` takes back. */
  save(): unknown;
  /** Takes what an address holds; anything may stand there. */
  restore(saved: unknown): void;
}

const addressed = new Map<View, Addressed>();
/** Addresses stay short enough for messengers and logs; what is longer is left out. */
const MAX_ADDRESS = 16_000;
const SETTLE_MS = 300;

/** Says what of a view belongs into the address. */
export function addressView(name: View, parts: Addressed): void {
  addressed.set(name, parts);
}

/** Takes the address up, now and whenever it changes, and writes it as the views change. */
export async function followAddress(): Promise<void> {
  await restore();
  addEventListener("hashchange", () => void restore());
  effect(() => {
    const name = view.value;
    const saved = addressed.get(name)?.save();
    const timer = setTimeout(() => void write(name, saved), SETTLE_MS);
    return () => clearTimeout(timer);
  });
}

/** The address of the page as it is now. */
export async function addressNow(): Promise<string> {
  await write(view.value, addressed.get(view.value)?.save());
  return location.href;
}

let written = "";

async function write(name: View, saved: unknown): Promise<void> {
  const packed = saved === undefined ? "" : `/${await pack(JSON.stringify(saved))}`;
  if (isLeaving()) return;
  written = `#${name}${packed.length > MAX_ADDRESS ? "" : packed}`;
  history.replaceState(null, "", written);
}

/** Whether another view was asked for, which is about to be shown: its address stays. */
function isLeaving(): boolean {
  const [name = ""] = location.hash.slice(1).split("/", 1);
  return location.hash !== written && VIEWS.some((each) => each === name);
}

async function restore(): Promise<void> {
  if (location.hash === written && written !== "") return;
  const [name = "", packed = ""] = location.hash.slice(1).split("/", 2);
  const known = VIEWS.find((each) => each === name);
  if (known === undefined) return;
  written = location.hash;
  const saved = packed === "" ? undefined : await unpack(packed);
  if (saved !== undefined) addressed.get(known)?.restore(saved);
  view.value = known;
}
