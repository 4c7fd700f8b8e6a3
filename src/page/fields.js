// Lines that say things by name, as JSON or as key=value: what they say, in an order worth reading. Pure.

/** @typedef {{name: string, value: string, pattern: string}} Field `pattern` is a term of the find box that finds it */

const MESSAGE = ["msg", "message", "event", "text", "@message", "log"];
const TIME = ["time", "timestamp", "ts", "@timestamp"];
const LEVEL = ["level", "severity", "lvl", "log.level"];
/** The most fields of a line that are shown. */
const FIELDS_MAX = 200;
/** The longest line that is taken apart, in characters. */
const LINE_MAX = 256 * 1024;

/** A value that stands in the line otherwise than it would be written here: more digits than a number holds, é as \u00e9. */
class Raw {
  /** @param {unknown} value @param {string} source */
  constructor(value, source) {
    this.value = value;
    this.source = source;
  }

  toJSON() {
    return /** @type {any} */ (JSON).rawJSON(this.source);
  }
}

/** Not every browser says how a value stands there. @param {string} _ @param {unknown} value @param {{source?: string}} [context] */
function keepSource(_, value, context) {
  const source = context?.source ?? "";
  return source === "" || source === JSON.stringify(value) ? value : new Raw(value, source);
}

/** @param {string} line @returns {Record<string, any> | null} its values are as JSON has them, or {@link Raw} */
export function object(line) {
  if (line[0] !== "{" || line.length > LINE_MAX) return null;
  try {
    const value = JSON.parse(line, /** @type {any} */ (keepSource));
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}

/**
 * A line of JSON in short: its message, then what else it says. Time and level are as they stand there, or "".
 * @param {string} line
 * @returns {{message: string, level: string, time: string, rest: [string, string][]} | null}
 */
export function summary(line) {
  const value = object(line);
  if (!value) return null;
  const key = MESSAGE.find((name) => typeof decoded(value[name]) === "string") ?? "";
  const first = (/** @type {string[]} */ names) => written(names.map((name) => value[name]).find((part) => part !== undefined && part !== null) ?? "");
  const rest = Object.entries(value).filter(([name]) => name !== key && !TIME.includes(name) && !LEVEL.includes(name));
  return { message: key ? written(value[key]) : "", level: first(LEVEL), time: first(TIME), rest: rest.map(([name, part]) => [name, written(part)]) };
}

/** @param {unknown} value */
function written(value) {
  const plain = decoded(value);
  return typeof plain === "string" ? plain : JSON.stringify(value);
}

/** @param {unknown} value */
function decoded(value) {
  return value instanceof Raw ? value.value : value;
}

const PAIR = /(?:^|\s)([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/g;

/** @param {string} line @returns {Field[]} all that a line says by name; none for one that says nothing so */
export function fields(line) {
  const value = object(line);
  if (value) return flat(value, "").slice(0, FIELDS_MAX);
  const pairs = [...line.slice(0, LINE_MAX).matchAll(PAIR)].slice(0, FIELDS_MAX);
  return pairs.map(([text, name, quoted, bare]) => ({ name, value: quoted ?? bare, pattern: quoted === undefined ? whole(text.trim()) : exact(text.trim()) }));
}

/** @param {any} value @param {string} path @returns {Field[]} */
function flat(value, path) {
  return Object.entries(value).flatMap(([key, part]) => {
    const name = path ? `${path}.${key}` : key;
    if (typeof part === "object" && part !== null && !(part instanceof Raw) && Object.keys(part).length > 0) return flat(part, name);
    const json = part instanceof Raw ? part.source : JSON.stringify(part);
    const found = `${slashed(JSON.stringify(key))}\\s*:\\s*${slashed(json)}${/\w$/.test(json) ? "\\b" : ""}`;
    return [{ name, value: written(part), pattern: `/${found}/` }];
  });
}

/** @param {string} text */
function slashed(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** A bare value ends where a space or a quote comes. @param {string} text */
function whole(text) {
  return `/(?:^|\\s)${slashed(text)}(?:[\\s"]|$)/`;
}

/** @param {string} text */
function exact(text) {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
