// A table of any length in which only the rows in sight exist. All rows have one height, so that their places follow from their numbers:
// an empty row above and one below hold the room of the others.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

const ROW_PX = 44;
const SIGHT_PX = 572;
const ARROWS = { ascending: "▲", descending: "▼", none: "↕" } as const;
/** Rows above and below those in sight. */
const SPARE = 8;

export interface Column {
  name: string;
  /** Only of a column that the rows can be ordered by. */
  order?: { now: "ascending" | "descending" | "none"; onChange: () => void };
}

interface VirtualRowsProps {
  label: string;
  columns: readonly Column[];
  count: number;
  /** What tells a row from others, however they are ordered. */
  keyOf: (index: number) => number;
  cells: (index: number) => readonly ComponentChildren[];
}

export function VirtualRows({ label, columns, count, keyOf, cells }: VirtualRowsProps) {
  const top = useSignal(0);
  const seen = Math.floor(Math.min(top.value, count * ROW_PX) / ROW_PX);
  const first = Math.max(0, seen - SPARE);
  const last = Math.min(count, seen + Math.ceil(SIGHT_PX / ROW_PX) + SPARE);
  const inSight = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
  return (
    <section
      class="virtual"
      aria-label={`${label}, a table that scrolls`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
      tabIndex={0}
      onScroll={(event) => {
        top.value = event.currentTarget.scrollTop;
      }}
    >
      <table aria-rowcount={count + 1}>
        <caption class="hidden">{label}</caption>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ name, order }) => (
              <th key={name} scope="col" aria-sort={order?.now}>
                {order === undefined ? (
                  name
                ) : (
                  <button type="button" class="quiet" onClick={order.onChange}>
                    {name} <span aria-hidden="true">{ARROWS[order.now]}</span>
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Room rows={first} />
          {inSight.map((index) => (
            <tr key={keyOf(index)} aria-rowindex={index + 2} class="virtual-row">
              {cells(index).map((cell, column) => (
                <td key={columns[column]?.name}>{cell}</td>
              ))}
            </tr>
          ))}
          <Room rows={count - last} />
        </tbody>
      </table>
    </section>
  );
}

function Room({ rows }: { rows: number }) {
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row is not focusable
  return rows > 0 ? <tr aria-hidden="true" style={{ height: `${rows * ROW_PX}px` }} /> : null;
}
