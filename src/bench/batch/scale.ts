// What a job costs and how long it takes, from the CPU time of a record that was measured: the tables of docs/scale.md. Prices and what
// the plan includes are Cloudflare's of mid-2026: https://developers.cloudflare.com/workers/platform/pricing/

export interface ScaleRow {
  records: number;
  /** Seconds of CPU time in all, and of time with so many shards at once, each with a core of its own. */
  cpuSeconds: number;
  seconds: { atOnce: number; seconds: number }[];
  /** Dollars; the plan's $5 stands in the first row, in place of the CPU time that it includes. */
  cpu: number;
  steps: number;
  storageAMonth: number;
}

export const RECORDS = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const AT_ONCE = [4, 50, 1_000];
/** A month. */
const PLAN = 5;
const INCLUDED_CPU_MS = 30e6;
const PER_MILLION = { cpuMs: 0.02, write: 4.5, read: 0.36, ledgerRequest: 0.15, rowWritten: 1 };
/** What a step of BATCH_STEP_MS asks of bucket and ledger. */
const STEP_MS = 10_000;
const STEP = { writes: 1, reads: 2, ledgerRequests: 3, rowsWritten: 6 };
/** Of a pair of the kind that ships, with its results. */
const RECORD_BYTES = 890;
const GB_MONTH = 0.015;
const RENT_AN_HOUR = 2.5;

/** The sums for records of so many ms. */
export function scaleRow(records: number, ms: number): ScaleRow {
  const cpuMs = records * ms;
  const millionSteps = cpuMs / STEP_MS / 1e6;
  const { writes, reads, ledgerRequests, rowsWritten } = STEP;
  const aMillionSteps =
    writes * PER_MILLION.write +
    reads * PER_MILLION.read +
    ledgerRequests * PER_MILLION.ledgerRequest +
    rowsWritten * PER_MILLION.rowWritten;
  return {
    records,
    cpuSeconds: cpuMs / 1_000,
    seconds: AT_ONCE.map((atOnce) => ({ atOnce, seconds: cpuMs / 1_000 / atOnce })),
    cpu: records === RECORDS[0] ? PLAN : (Math.max(0, cpuMs - INCLUDED_CPU_MS) / 1e6) * PER_MILLION.cpuMs,
    steps: millionSteps * aMillionSteps,
    storageAMonth: ((records * RECORD_BYTES) / 1e9) * GB_MONTH,
  };
}

/** Rows of the table of one kind of record. */
export function scaleTable(ms: number): string[] {
  return RECORDS.map((records) => {
    const row = scaleRow(records, ms);
    const times = [row.cpuSeconds, ...row.seconds.map(({ seconds }) => seconds)].map(timeOf);
    const costs = [row.cpu, row.steps, row.storageAMonth].map(dollars);
    return `| ${[powerOf(records), ...times, ...costs].join(" | ")} |`;
  });
}

/** A row of the table of other machines: 8 cores, 64 rented ones, and their rent. */
export function elsewhereRow(records: number, ms: number, kind: string): string {
  const seconds = (records * ms) / 1_000;
  const rent = (seconds / 64 / 3_600) * RENT_AN_HOUR;
  return `| ${powerOf(records)} pairs, ${kind} | ${timeOf(seconds / 8)} | ${timeOf(seconds / 64)} | ${dollars(rent)} |`;
}

/** 10⁶ */
function powerOf(records: number): string {
  const exponent = String(Math.round(Math.log10(records)));
  return `10${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)] ?? "").join("")}`;
}

function timeOf(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  const days = seconds / 86_400;
  if (days < 2) return `${(seconds / 3_600).toFixed(1)} h`;
  return days < 90 ? `${Math.round(days)} days` : `${Math.round(days / 30)} months`;
}

function dollars(amount: number): string {
  return `$${amount < 10 ? amount.toFixed(2) : Math.round(amount).toLocaleString("en-US")}`;
}
