// Times and amounts in words. Pure, but for the zone of the browser.

/** @typedef {"local" | "utc" | "relative" | "delta" | "off"} TimeMode */

/** In the order in which a key goes through them. @type {TimeMode[]} */
export const TIME_MODES = ["local", "utc", "relative", "delta", "off"];

/** Rows so far apart have a line between them that says how far, in milliseconds. */
export const SILENCE_MS = 60_000;

const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
const three = (/** @type {number} */ value) => String(value).padStart(3, "0");

/** @param {number} time @param {boolean} utc @returns {string} `10:00:01.123` */
export function clock(time, utc) {
  const date = new Date(time);
  return utc
    ? `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${three(date.getUTCMilliseconds())}`
    : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${three(date.getMilliseconds())}`;
}

/** @param {number} time @param {boolean} utc @returns {string} `2026-11-22` */
export function day(time, utc) {
  const date = new Date(time);
  return utc
    ? `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** @param {number} ms @returns {string} `4 min 12 s` */
export function span(ms) {
  const s = Math.round(Math.abs(ms) / 1000);
  if (Math.abs(ms) < 1000) return `${Math.round(Math.abs(ms))} ms`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ""}`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h${Math.floor((s % 3600) / 60) ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86_400)} d${Math.floor((s % 86_400) / 3600) ? ` ${Math.floor((s % 86_400) / 3600)} h` : ""}`;
}

/** @param {number} ms @returns {string} `+1.203` */
export function delta(ms) {
  const sign = ms < 0 ? "−" : "+";
  const away = Math.abs(ms);
  if (away < 100_000) return `${sign}${(away / 1000).toFixed(3)}`;
  return `${sign}${span(away)}`;
}

/**
 * A row's time as the page shows it.
 * @param {number} time NaN where it is not known
 * @param {TimeMode} mode
 * @param {number} now
 * @param {number} from what a delta is counted from
 */
export function shown(time, mode, now, from) {
  if (Number.isNaN(time) || mode === "off") return "";
  if (mode === "relative") return now - time < 1000 ? "now" : `${span(now - time)} ago`;
  if (mode === "delta") return Number.isNaN(from) ? "" : delta(time - from);
  const isToday = day(time, mode === "utc") === day(now, mode === "utc");
  return isToday ? clock(time, mode === "utc") : `${day(time, mode === "utc").slice(5)} ${clock(time, mode === "utc")}`;
}

/** Without Intl, which takes longer to be there than the first lines do. @param {number} count a whole number @returns {string} `1,234` */
export function grouped(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} count @param {string} noun @returns {string} `1,234 lines` */
export function amount(count, noun) {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} bytes @returns {string} `41 MB` */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** unit;
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
