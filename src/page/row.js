// What the page shows one below the other: records of logs, and what the server says between them. Pure.

import { grouped } from "./time.js";

/**
 * @typedef {object} Row
 * @property {"record" | "gap" | "note"} kind
 * @property {string} id where a stream goes on after it; empty for what has none
 * @property {string} log
 * @property {number} time in milliseconds since 1970; NaN where it is not known
 * @property {number} level an index of {@link LEVELS}; 0 is unknown
 * @property {string} line
 * @property {string} event the name that a rule gave it, or ""
 * @property {number} cut how long the line really is, in bytes, if it was cut; else 0
 * @property {number} part 0 for a row of its own; else how deep it is in the group that begins above it
 * @property {boolean} open whether its fields, or the rest of its group, are shown
 */

/** Levels by number. */
export const LEVELS = ["", "trace", "debug", "info", "notice", "warn", "error", "fatal"];
/** From this one on a row counts as an error. */
export const ERROR = 6;
/** From this one on a row counts as a warning. */
export const WARN = 5;

/** @type {Record<string, any>} */
const WORDS = { __proto__: null, warning: 5, err: 6, critical: 7, crit: 7, panic: 7, emerg: 7, alert: 7, information: 3, verbose: 1 };
const LEVEL_IN_JSON = /"(?:level|lvl|severity|log\.level)"\s*:\s*"?(\w+)/i;

/** @param {string} word @returns {number} the level that a word or a number of bunyan and pino means; 0 for none */
export function levelOf(word) {
  const lower = word.toLowerCase();
  const number = Number(lower);
  if (number >= 10 && number <= 60) return [0, 1, 2, 3, 5, 6, 7][Math.floor(number / 10)];
  return Math.max(0, LEVELS.indexOf(lower)) || WORDS[lower] || 0;
}

/** @param {Partial<Row>} some @returns {Row} */
export function rowOf(some) {
  return { kind: "record", id: "", log: "", time: NaN, level: 0, line: "", event: "", cut: 0, part: 0, open: false, ...some };
}

/**
 * The row of a record object as the server sends it.
 * @param {string} data JSON
 * @param {string} id
 * @returns {Row}
 */
export function rowOfRecord(data, id) {
  /** @type {any} */
  let record;
  try {
    record = JSON.parse(data);
  } catch {
    return rowOf({ id, line: data });
  }
  const line = String(record?.line ?? data);
  const inJson = record?.level || line[0] !== "{" ? null : LEVEL_IN_JSON.exec(line.slice(0, 2000));
  return {
    kind: "record",
    id,
    log: String(record?.log ?? ""),
    time: record?.time ? Date.parse(record.time) : NaN,
    level: levelOf(String(record?.level ?? inJson?.[1] ?? "")),
    line,
    event: String(record?.event ?? ""),
    cut: record?.truncated ? Number(record.line_bytes) || 0 : 0,
    part: 0,
    open: false,
  };
}

/** @type {Record<string, string>} */
const REASONS = {
  gone: "the file that held them is no longer there",
  truncated: "the file was cut short while they were in it",
  rewritten: "the file now holds something else where they were",
  ambiguous: "it is not clear which file they were in",
  unreadable: "the file can't be read",
  overrun: "this page was too far behind, and the file was deleted meanwhile",
  "bad-id": "the position to go on from is not a valid one",
  "unknown-log": "the position to go on from belongs to a log that this server does not have",
  budget: "a limit ended the search for them",
};

/**
 * @param {any} gap the data of a `gap` event
 * @returns {string} what is missing and why, in a sentence or three
 */
export function gapInWords(gap) {
  const where = gap.log ? ` in ${gap.log}` : "";
  const file = gap.file ? ` (${gap.file})` : "";
  const bytes = typeof gap.lost_bytes === "number" && gap.lost_bytes > 0 ? ` ${grouped(gap.lost_bytes)} bytes.` : "";
  const again = gap.may_repeat ? " Some of what follows may have been shown before." : "";
  const what = gap.certain ? "Lines are missing here" : "Lines may be missing here";
  return `${what}${where}: ${REASONS[gap.reason] ?? String(gap.reason)}${file}.${bytes}${again}`;
}

/**
 * The row for something that the server says between records, if it is worth one.
 * @param {string} event
 * @param {string} data
 * @param {string} id
 * @returns {Row | null}
 */
export function rowOfNotice(event, data, id) {
  const said = JSON.parse(data);
  const log = String(said.log ?? "");
  if (event === "gap") return rowOf({ kind: "gap", id, log, line: gapInWords(said), level: WARN });
  if (event === "rotate") {
    return rowOf({ kind: "note", id, log, line: `${log} goes on in a new file (${said.kind})` });
  }
  if (event === "log") {
    const error = said.error ? `: ${said.error}` : "";
    return rowOf({ kind: "note", id, log, line: `${log} ${said.state === "error" ? "can't be read" : said.state}${error}` });
  }
  return null;
}

/** What the server itself says; every other event is a record. */
export const SERVER_EVENTS = new Set(["hello", "pos", "busy", "gap", "live", "rotate", "log"]);

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * The record's own position, the same in every stream. The lowest bit of its last letter tells whether it stands alone in
 * its id, which differs between streams.
 * @param {string} id
 * @returns {string}
 */
export function ownPosition(id) {
  const end = id.indexOf("~");
  const own = end < 0 ? id : id.slice(0, end);
  return own.slice(0, -1) + DIGITS[DIGITS.indexOf(own.slice(-1)) & ~1];
}

/**
 * History of several logs comes log by log: puts it in the order of its times. A row without one stays with the row before
 * it in its log.
 * @param {Row[]} rows
 * @returns {Row[]}
 */
export function byTime(rows) {
  if (rows.every((row) => row.log === rows[0].log)) return rows;
  /** @type {Map<string, number>} */
  const latest = new Map();
  const keyed = rows.map((row, index) => {
    const time = Number.isNaN(row.time) ? (latest.get(row.log) ?? NaN) : Math.max(row.time, latest.get(row.log) ?? -Infinity);
    if (!Number.isNaN(time)) latest.set(row.log, time);
    return { row, index, time };
  });
  // What stands before the first time of its log is as old as that.
  for (let at = keyed.length - 1, next = new Map(); at >= 0; at--) {
    const { row, time } = keyed[at];
    if (Number.isNaN(time)) keyed[at].time = next.get(row.log) ?? -Infinity;
    else next.set(row.log, time);
  }
  return keyed.sort((one, other) => one.time - other.time || one.index - other.index).map(({ row }) => row);
}

const PYTHON_HEAD = /^Traceback \(most recent call last\):/;
const PART = /^(?:\s+at\s|\s+\.\.\. \d+ |Caused by: |Suppressed: |\s+File "|\t|\s{2,}\S|Traceback \()/;
const EXCEPTION = /^[\w$]+(?:\.[\w$]+)*(?:Exception|Error|Throwable|Exit|Interrupt|Warning)\b/;

/**
 * Marks rows that belong to the trace of the row before them.
 * @param {Row} row
 * @param {Row | undefined} before
 */
export function joinTrace(row, before) {
  if (!before || before.kind !== "record" || row.kind !== "record" || before.log !== row.log) return;
  const { line } = row;
  const belongs = PART.test(line) || ((before.level >= WARN || before.part > 0) && row.level === 0 && EXCEPTION.test(line));
  if (!belongs || (PYTHON_HEAD.test(before.line) && before.part === 0 && !PART.test(line))) return;
  row.part = before.part + 1;
  row.open = before.open;
  row.level ||= before.level;
  if (Number.isNaN(row.time)) row.time = before.time;
}
