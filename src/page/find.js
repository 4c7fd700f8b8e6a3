// The find box: words that must all be there, -word, /regex/, "exact", and level: log: event: since: until:. Pure.

/**
 * @typedef {{kind: "word" | "exact" | "regex", text: string, ignoreCase: boolean, not: boolean}} Term
 * @typedef {object} Query
 * @property {Term[]} terms
 * @property {string[]} logs
 * @property {string[]} events
 * @property {string} level this one and graver
 * @property {string} since
 * @property {string} until
 * @property {string[]} errors what is wrong with it, in sentences
 */

/** The most patterns of a kind that the server takes. */
export const PATTERNS_MAX = 16;
const FIELDS = ["level", "log", "event", "since", "until"];
const TOKEN = /(-?)(?:"((?:[^"\\]|\\.)*)"?|\/((?:[^/\\]|\\.)+)\/(i?)(?=\s|$)|(level|log|event|since|until):(?:"([^"]*)"?|(\S*))|(\S+))/g;

/** @param {string} text @returns {Query} */
export function parse(text) {
  /** @type {Query} */
  const query = { terms: [], logs: [], events: [], level: "", since: "", until: "", errors: [] };
  for (const found of text.matchAll(TOKEN)) take(query, found);
  for (const not of [true, false]) {
    if (query.terms.filter((term) => term.not === not).length > PATTERNS_MAX) {
      query.errors.push(`There are more than ${PATTERNS_MAX} words ${not ? "to leave out" : "to find"}; join some in one /a|b/.`);
    }
  }
  return query;
}

/** @param {Query} query @param {RegExpExecArray} found */
function take(query, found) {
  const [whole, minus, exact, regex, ignore, field, quoted, plain, word] = found;
  const not = minus === "-";
  if (field) {
    const value = quoted ?? plain;
    if (not) query.errors.push(`${field}: can't be left out with a minus; name what is wanted.`);
    else if (!value) query.errors.push(`${field}: wants a value, like ${EXAMPLES[field]}.`);
    else if (field === "log") query.logs.push(value);
    else if (field === "event") query.events.push(value);
    else if (field === "level" || field === "since" || field === "until") query[field] = value;
    return;
  }
  if (exact !== undefined) {
    if (exact) query.terms.push({ kind: "exact", text: exact.replace(/\\(["\\])/g, "$1"), ignoreCase: false, not });
  } else if (regex !== undefined) {
    query.terms.push({ kind: "regex", text: regex.replaceAll("\\/", "/"), ignoreCase: ignore === "i", not });
  } else if (word !== undefined) {
    query.terms.push({ kind: "word", text: word, ignoreCase: word === word.toLowerCase(), not });
  } else if (whole === "-") {
    query.terms.push({ kind: "word", text: "-", ignoreCase: false, not: false });
  }
}

/** @param {Query} query @returns {boolean} whether it asks for what lines say, and not only for where and when they were written */
export function finds({ terms, events, level }) {
  return terms.length + events.length > 0 || level !== "";
}

/** @type {Record<string, string>} */
const EXAMPLES = { level: "level:warn", log: "log:web", event: "event:update", since: "since:15m", until: "until:5m" };

/** @param {string} text @returns {string} a regular expression that matches the text itself, for the server and for here */
export function escape(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** @param {Term} term @returns {string} the term as a pattern of the server */
export function pattern(term) {
  const text = term.kind === "regex" ? term.text : escape(term.text);
  return term.ignoreCase && /[a-z]/i.test(text) ? `(?i)${text}` : text;
}

/**
 * The query as parameters of the server, without where to start.
 * @param {Query} query
 * @param {boolean} highlightOnly whether its words are looked for here and not there
 * @returns {URLSearchParams}
 */
export function parameters(query, highlightOnly) {
  const parameters = new URLSearchParams();
  for (const log of query.logs) parameters.append("log", log);
  if (query.level) parameters.append("level", query.level);
  for (const event of query.events) parameters.append("event", event);
  for (const term of highlightOnly ? [] : query.terms) parameters.append(term.not ? "exclude" : "match", pattern(term));
  return parameters;
}

/**
 * What to mark in lines: one expression for each term that can be looked for here.
 * @param {Query} query
 * @returns {RegExp[]}
 */
export function marks(query) {
  return query.terms.filter((term) => !term.not).flatMap((term) => {
    try {
      const inline = /^\(\?([imsx]+)\)/.exec(term.text);
      const text = term.kind === "regex" ? term.text.slice(inline?.[0].length ?? 0) : escape(term.text);
      const flags = term.ignoreCase || inline?.[1].includes("i") ? "gi" : "g";
      return [new RegExp(text.replaceAll("(?P<", "(?<"), flags)];
    } catch {
      // The server's expressions know more than those here; it finds the lines all the same.
      return [];
    }
  });
}

/**
 * Whether a line has all that is looked for and nothing that is not.
 * @param {Query} query
 * @returns {(line: string) => boolean}
 */
export function matcher(query) {
  const yes = marks(query);
  const no = marks({ ...query, terms: query.terms.filter((term) => term.not).map((term) => ({ ...term, not: false })) });
  const has = (/** @type {RegExp} */ mark, /** @type {string} */ line) => {
    mark.lastIndex = 0;
    return mark.test(line);
  };
  return (line) => yes.every((mark) => has(mark, line)) && !no.some((mark) => has(mark, line));
}

/** @param {string} value @returns {string} the value as one term of the box */
export function quoted(value) {
  if (/^[^\s"/-][^\s"]*$/.test(value) && !FIELDS.some((field) => value.startsWith(`${field}:`))) return value;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * The box's text with one more term, or without it if it has it already.
 * @param {string} text
 * @param {string} term
 * @returns {string}
 */
export function toggled(text, term) {
  const padded = ` ${text.trim()} `;
  const without = padded.replace(` ${term} `, " ");
  return (without === padded ? `${text.trim()} ${term}` : without).trim();
}

/**
 * The box's text with another value of a field that has one at most; an empty value removes it.
 * @param {string} text
 * @param {string} field
 * @param {string} value
 * @returns {string}
 */
export function withField(text, field, value) {
  const without = [...text.matchAll(TOKEN)].filter((found) => found[5] !== field || found[1]).map(([whole]) => whole).join(" ");
  const quotedValue = /\s/.test(value) ? `"${value}"` : value;
  return value ? `${without} ${field}:${quotedValue}`.trim() : without;
}
