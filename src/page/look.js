// How a row looks: makes elements of it, and knows how high they will be. Only ever writes text, never HTML.

import { fields, summary } from "./fields.js";
import { LINE } from "./list.js";
import { LEVELS, ownPosition } from "./row.js";
import { pieces, plain, withoutTime } from "./text.js";
import { SILENCE_MS, day, clock, shown, size, span } from "./time.js";

/** @typedef {import("./row.js").Row} Row */
/** @typedef {ReturnType<typeof summary>} Summary */

/** So much of a line is shown until it is opened, in characters. */
const CLOSED_CHARS = 2000;
/** So much of a time that nobody can read. */
const TIME_CHARS = 32;
/** The style sheet has so many colours for the names of logs. */
const LOG_COLOURS = 8;
/** A log of which so many rows, filled since, show nothing is not in view any more. */
const LONG_GONE = 500;
/** The height of a field, in pixels: enough for a finger. */
const FIELD = 26;

/** Colours for the names of logs: no two in view have the same one while there are enough; each has the same in every tab unless another has it. */
export class LogColours {
  /** Who has a colour, and when it was last asked for. @type {({log: string, at: number} | undefined)[]} */
  #taken = new Array(LOG_COLOURS).fill(undefined);
  #asked = 0;

  /** @param {string} log @returns {number} */
  of(log) {
    this.#asked++;
    const own = this.#taken.findIndex((taken) => taken?.log === log);
    const wanted = [...log].reduce((sum, char) => (sum * 7 + char.charCodeAt(0)) % 65_521, 0) % LOG_COLOURS;
    const order = this.#taken.map((_, step) => (wanted + step) % LOG_COLOURS);
    const at = (/** @type {number} */ colour) => this.#taken[colour]?.at ?? -Infinity;
    const colour = own >= 0 ? own : order.reduce((best, other) => (at(other) < at(best) ? other : best));
    if (own < 0 && this.#asked - at(colour) < LONG_GONE) return wanted;
    this.#taken[colour] = { log, at: this.#asked };
    return colour;
  }
}

export class Look {
  /** @type {import("./time.js").TimeMode} */
  time = "local";
  wrap = false;
  /** Whether to name each row's log. */
  several = false;
  /** How many characters fit beside each other; 0 until somebody has to know. */
  columns = 0;
  /** The time that differences are counted from; NaN is the row before. */
  since = NaN;
  selected = NaN;
  /** Marked rows, by their own positions. @type {Set<string>} */
  marked = new Set();
  #colours = new LogColours();
  /** How long the longest name of a log is, of those shown: what follows stands one below the other. */
  #longest = 0;

  /** @param {(number: number) => Row | undefined} get @param {() => number} count the characters that fit beside each other */
  constructor(get, count) {
    this.get = get;
    this.count = count;
  }

  /** @param {Row} row @param {Row | undefined} before @returns {number} its height in lines, as far as can be told unseen */
  lines(row, before) {
    if (row.part > 0 && before && !row.open) return 0;
    const text = row.open ? row.line : firstLine(row.line);
    const rows = row.open ? text.split("\n") : [text];
    const wraps = this.wrap || row.open;
    if (wraps) this.columns ||= this.count();
    const own = rows.reduce((sum, line) => sum + (wraps ? Math.max(1, Math.ceil(line.length / this.columns)) : 1), 0);
    const more = row.open && row.part === 0 && row.kind === "record" ? detailLines(row) : 0;
    return own + more + (silence(row, before) ? 1 : 0);
  }

  /** @param {HTMLElement} element @param {number} number @param {Row} row */
  fill(element, number, row) {
    const before = this.get(number - 1);
    const isMarked = this.marked.has(ownPosition(row.id));
    element.className = `row ${row.kind} l-${LEVELS[row.level] || "none"}`;
    element.classList.toggle("part", row.part > 0);
    element.classList.toggle("open", row.open);
    element.classList.toggle("selected", number === this.selected);
    element.classList.toggle("marked", isMarked);
    element.dataset.id = row.id;
    element.dataset.number = String(number);
    const cells = make("div", "cells");
    const json = row.open || row.kind !== "record" ? null : summary(row.line);
    if (this.time !== "off") cells.append(this.#time(row, before, json));
    if (this.several) cells.append(this.#log(row));
    cells.append(row.kind === "record" ? this.#text(number, row, json) : make("span", "text", row.line));
    const pause = silence(row, before);
    element.replaceChildren(...(pause ? [make("div", "silence", span(pause))] : []), cells);
    if (row.open && row.part === 0 && row.kind === "record") element.append(this.#details(row));
  }

  /** @param {Row} row */
  #log({ log }) {
    if (log.length > this.#longest) {
      this.#longest = log.length;
      document.body.style.setProperty("--log", `min(${log.length}ch, 16ch)`);
    }
    return make("span", `log c${this.#colours.of(log)}`, log);
  }

  /** A time that nobody can read is shown as it stands. @param {Row} row @param {Row | undefined} before @param {Summary} json */
  #time(row, before, json) {
    const from = Number.isNaN(this.since) ? (before?.time ?? NaN) : this.since;
    const isKnown = !Number.isNaN(row.time);
    const words = isKnown ? shown(row.time, this.time, Date.now(), from) : (json?.time.slice(0, TIME_CHARS) ?? "");
    const cell = make("span", "time", row.part ? "" : words);
    if (isKnown) cell.title = `${day(row.time, false)} ${clock(row.time, false)} · ${new Date(row.time).toISOString()}`;
    return cell;
  }

  /** @param {number} number @param {Row} row @param {Summary} json */
  #text(number, row, json) {
    const cell = make("span", "text");
    const more = this.#hidden(number, row);
    if (row.part === 0) {
      const fold = make("button", "fold", row.open ? "▾" : "▸");
      fold.tabIndex = -1;
      fold.setAttribute("aria-label", row.open ? "Fold" : "Show all of this line");
      fold.setAttribute("aria-expanded", String(row.open));
      cell.append(fold);
    }
    if (row.event) cell.append(make("span", "badge", row.event), " ");
    if (json) cell.append(...inShort(json, LEVELS[row.level]));
    else cell.append(...words(this.#visible(row)));
    if (row.cut) cell.append(" ", make("span", "badge", `cut: ${size(row.cut)}`));
    if (more) cell.append(" ", make("span", "badge more", more));
    return cell;
  }

  /** @param {Row} row */
  #visible(row) {
    if (row.open) return row.line;
    const line = firstLine(row.line);
    return this.time === "off" || row.part > 0 ? line : withoutTime(line);
  }

  /** What of a folded row is not shown. @param {number} number @param {Row} row */
  #hidden(number, row) {
    if (row.open || row.part > 0) return "";
    let lines = 0;
    for (let char = row.line.indexOf("\n"); char >= 0; char = row.line.indexOf("\n", char + 1)) lines++;
    for (let next = number + 1; (this.get(next)?.part ?? 0) > 0; next++) lines++;
    if (lines > 0) return `+${lines} line${lines === 1 ? "" : "s"}`;
    return row.line.length > CLOSED_CHARS ? `… ${size(row.line.length)}` : "";
  }

  /** @param {Row} row */
  #details(row) {
    const list = make("div", "details");
    for (const { name, value, pattern } of fields(row.line)) {
      const line = make("div", "field");
      const only = make("button", "only", value);
      const not = make("button", "not", "−");
      only.title = `Only lines with ${name} ${value}`;
      not.title = `No lines with ${name} ${value}`;
      not.setAttribute("aria-label", not.title);
      only.dataset.term = pattern;
      not.dataset.term = `-${pattern}`;
      line.append(not, make("span", "name", name), only);
      list.append(line);
    }
    const actions = make("div", "field actions");
    for (const [action, label] of [["context", "Context"], ["mark", "Mark"], ["permalink", "Copy link"], ["copy", "Copy line"]]) {
      const button = make("button", "act", label);
      button.dataset.action = action;
      actions.append(button);
    }
    list.append(actions);
    list.style.height = `${LINE * detailLines(row)}px`;
    return list;
  }
}

/** How high the details of a row are, in lines. @param {Row} row */
function detailLines(row) {
  return Math.ceil(((fields(row.line).length + 1) * FIELD) / LINE);
}

/** @param {string} line */
function firstLine(line) {
  const end = line.indexOf("\n");
  return line.slice(0, end < 0 ? CLOSED_CHARS : Math.min(end, CLOSED_CHARS));
}

/** @param {Row} row @param {Row | undefined} before @returns {number} how long nothing came, if that was long */
function silence(row, before) {
  const pause = before && row.part === 0 ? row.time - before.time : 0;
  return pause >= SILENCE_MS ? pause : 0;
}

/** @param {string} line */
function words(line) {
  return pieces(line).map(({ text, kind, style }) => {
    if (!kind && !style) return text;
    const word = make("span", style ? `${kind} ${style.classes}` : kind, text);
    if (style?.fg) colour(word, "color", "f", style.fg);
    if (style?.bg) colour(word, "backgroundColor", "b", style.bg);
    return word;
  });
}

/** @param {HTMLElement} word @param {"color" | "backgroundColor"} property @param {string} prefix @param {string} value */
function colour(word, property, prefix, value) {
  if (value[0] === "a") word.classList.add(prefix + value);
  else word.style[property] = value;
}

/** @param {NonNullable<Summary>} json @param {string} known its level, which may stand there as a number, or "" */
function inShort({ message, level, rest }, known) {
  const word = /^[a-z]/i.test(level) ? level : known || level;
  const short = rest.flatMap(([name, value]) => [" ", make("span", "key", `${name}=`), make("span", valueKind(name, value), value.slice(0, 200))]);
  return [...(word ? [make("span", `level l-${known}`, word.toUpperCase()), " "] : []), make("span", "message", plain(message)), ...short];
}

/** @param {string} name @param {string} value @returns {string} a class */
function valueKind(name, value) {
  return /status/i.test(name) && /^[1-5]\d\d$/.test(value) ? `s${value[0]}` : "value";
}

/**
 * @param {string} tag
 * @param {string} name its class
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function make(tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

