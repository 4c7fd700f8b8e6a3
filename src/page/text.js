// A line as pieces to show: terminal colours, and what stands out without being asked to. Pure.

/**
 * @typedef {{text: string, kind: string, style: Style | null}} Piece `kind` is a class of the style sheet, or ""
 * @typedef {{fg: string, bg: string, classes: string}} Style a colour is a class (`a1`) or what CSS calls it (`#ff0000`)
 */

// biome-ignore lint: the escape character is what is looked for
const CONTROL = /\x1b\[([0-9;:]*)m|\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]/g;

/** @param {string} line @returns {string} the line without terminal escapes */
export function plain(line) {
  return line.includes("\x1b") ? line.replace(CONTROL, "") : line;
}

/** @param {string} line @returns {Piece[]} the line cut where its terminal colours change */
export function ansi(line) {
  if (!line.includes("\x1b")) return [{ text: line, kind: "", style: null }];
  /** @type {Piece[]} */
  const pieces = [];
  const state = new Colours();
  let from = 0;
  const until = (/** @type {number} */ to) => {
    if (to > from) pieces.push({ text: line.slice(from, to), kind: "", style: state.style() });
  };
  for (const found of line.matchAll(CONTROL)) {
    until(found.index);
    from = found.index + found[0].length;
    if (found[1] !== undefined) state.take(found[1].split(/[;:]/).map(Number));
  }
  until(line.length);
  return pieces;
}

/** What "Select Graphic Rendition" sequences have set so far. */
class Colours {
  #fg = "";
  #bg = "";
  /** @type {Set<string>} */
  #classes = new Set();

  /** @param {number[]} codes */
  take(codes) {
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at];
      if (code === 38 || code === 48) {
        const [colour, used] = extended(codes.slice(at + 1));
        if (code === 38) this.#fg = colour;
        else this.#bg = colour;
        at += used;
      } else this.#simple(code);
    }
  }

  /** @param {number} code */
  #simple(code) {
    /** @type {Record<number, string>} */
    const classes = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
    /** @type {Record<number, string[]>} */
    const ends = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };
    if (code === 0) {
      this.#fg = this.#bg = "";
      this.#classes.clear();
    } else if (classes[code]) this.#classes.add(classes[code]);
    else if (ends[code]) ends[code].forEach((name) => this.#classes.delete(name));
    else if (code >= 30 && code <= 37) this.#fg = `a${code - 30}`;
    else if (code >= 90 && code <= 97) this.#fg = `a${code - 82}`;
    else if (code === 39) this.#fg = "";
    else if (code >= 40 && code <= 47) this.#bg = `a${code - 40}`;
    else if (code >= 100 && code <= 107) this.#bg = `a${code - 92}`;
    else if (code === 49) this.#bg = "";
  }

  /** @returns {Style | null} */
  style() {
    const classes = [...this.#classes].join(" ");
    return this.#fg || this.#bg || classes ? { fg: this.#fg, bg: this.#bg, classes } : null;
  }
}

/** A colour of 256 or of 16 million, and how many codes it took. @param {number[]} codes @returns {[string, number]} */
function extended(codes) {
  const byte = (/** @type {number | undefined} */ value) => Math.min(255, Math.max(0, value || 0));
  if (codes[0] === 2) return [`rgb(${byte(codes[1])} ${byte(codes[2])} ${byte(codes[3])})`, 4];
  if (codes[0] !== 5) return ["", codes.length];
  const index = byte(codes[1]);
  if (index < 16) return [`a${index}`, 2];
  if (index > 231) return [`rgb(${Array(3).fill((index - 232) * 10 + 8).join(" ")})`, 2];
  const part = (/** @type {number} */ value) => (value === 0 ? 0 : value * 40 + 55);
  const at = index - 16;
  return [`rgb(${part(Math.floor(at / 36))} ${part(Math.floor(at / 6) % 6)} ${part(at % 6)})`, 2];
}

/** What makes a number a status, as those who serve HTTP write it: its name, a version or a request before it, how long it took or its phrase behind it. */
const STATUS = [
  /(?<=[sS]tatus(?:[_-]?[cC]ode)?["']?(?:[=:] ?| )["']?...)/,
  /(?<=HTTP\/[\d.]+ ...)|(?<=" ...)(?= [-"\d]|$)/,
  /(?<=\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (?:\/|https?:)\S* (?:[-:=>→]+ )?...)/,
  /(?<=(?:^| )...)(?= [| ]*\d+(?:\.\d+)?[nuµm]?s\b)/,
  /(?= (?:OK|Created|No Content|Found|Not [FM]|Bad |Unauth|Forbidden|Too Many|Internal|Service Un|Gateway T))/,
].map(({ source }) => source).join("|");

const STANDS_OUT = new RegExp(
  [
    "(?<url>https?:\\/\\/[^\\s\"'<>\\\\]+[^\\s\"'<>\\\\.,;:)\\]])",
    "(?<stamp>\\b\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?(?:Z|[+-]\\d\\d:?\\d\\d)?)",
    "(?<stamp2>\\d\\d\\/[A-Z][a-z]{2}\\/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4})|(?<protocol>HTTP\\/[\\d.]+)",
    "(?<id>\\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\b|\\b(?=[a-f]*\\d)(?=\\d*[a-f])[0-9a-f]{12,64}\\b)",
    "(?<ip>\\b\\d{1,3}(?:\\.\\d{1,3}){3}(?::\\d{1,5})?\\b)",
    `(?<status>(?<![\\w.-])[1-5]\\d\\d)(?!\\w|\\.\\d)(?:${STATUS})`,
    "(?<level>\\b(?:FATAL|CRITICAL|ERROR|WARN|WARNING|NOTICE|INFO|DEBUG|TRACE)\\b)",
    "(?<key>\\b[A-Za-z_][\\w.-]*(?==[^=\\s]))",
    "(?<duration>\\b\\d+(?:\\.\\d+)?(?:ns|us|µs|ms|s|m|h|min)\\b)",
    "(?<number>(?<![\\w.])-?\\d+(?:\\.\\d+)?(?:[kKMGT]i?B|%)?(?![\\w]))",
  ].join("|"),
  "g",
);
/** A line is looked through so far, in characters. */
const LOOKED_AT = 4000;

/** @param {string} text @returns {{text: string, kind: string}[]} */
export function standsOut(text) {
  /** @type {{text: string, kind: string}[]} */
  const pieces = [];
  let from = 0;
  for (const found of text.slice(0, LOOKED_AT).matchAll(STANDS_OUT)) {
    const kind = kindOf(found);
    if (found.index > from) pieces.push({ text: text.slice(from, found.index), kind: "" });
    pieces.push({ text: found[0], kind });
    from = found.index + found[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), kind: "" });
  return pieces;
}

/** @param {RegExpMatchArray} found */
function kindOf(found) {
  const groups = Object.entries(found.groups ?? {}).find(([, value]) => value !== undefined);
  const name = groups?.[0] ?? "";
  if (name === "status") return `status s${found[0][0]}`;
  if (name === "stamp2") return "stamp";
  if (name === "level") return `level l-${levelWord(found[0])}`;
  return name;
}

/** @param {string} word */
function levelWord(word) {
  const lower = word.toLowerCase();
  return lower === "warning" ? "warn" : lower === "critical" ? "fatal" : lower;
}

/** @param {string} line @returns {Piece[]} all there is to show of a line */
export function pieces(line) {
  return ansi(line).flatMap((piece) => standsOut(piece.text).map(({ text, kind }) => ({ text, kind, style: piece.style })));
}

const LEADING_TIME = /^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]?[ \t]+/;

/** @param {string} line @returns {string} the line without the time that it begins with: that has a column of its own */
export function withoutTime(line) {
  return line.replace(LEADING_TIME, "");
}
