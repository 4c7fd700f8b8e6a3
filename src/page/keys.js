// The keys, what they do, and the help that says so. Pure.

/** @type {[keys: string[], action: string, help: string][]} */
export const KEYS = [
  [["/"], "find", "find: words, -word, /regex/, \"exact\", level:warn, log:web, since:15m"],
  [["f"], "mode", "filter on the server, or only highlight"],
  [["n"], "next", "next match"],
  [["N"], "previous", "previous match"],
  [["e"], "nextError", "next error"],
  [["E"], "previousError", "previous error"],
  [["j", "ArrowDown"], "down", "next line"],
  [["k", "ArrowUp"], "up", "previous line"],
  [["PageUp"], "pageUp", "a page up"],
  [["PageDown"], "pageDown", "a page down"],
  [["g", "Home"], "top", "first line; again: load older ones"],
  [["G", "End"], "bottom", "go to live"],
  [[" "], "pause", "pause, or follow"],
  [["Enter", "o"], "open", "show all of a line, or fold it"],
  [["m"], "mark", "mark a line; differences of time count from it"],
  [["'"], "nextMark", "next marked line"],
  [["c"], "context", "lines around this one, without the filter"],
  [["["], "earlier", "one bar of the histogram earlier"],
  [["]"], "later", "one bar of the histogram later"],
  [["w"], "wrap", "wrap long lines, or not"],
  [["t"], "time", "times: local, UTC, ago, difference, off"],
  [["h"], "histogram", "show or hide the histogram"],
  [["y"], "permalink", "copy a link to this line"],
  [["u"], "curl", "copy as curl"],
  [["d"], "download", "download what matches"],
  [["T"], "theme", "light, dark, high contrast, as the system"],
  [["?"], "help", "this help"],
  [["Escape"], "leave", "leave the box, close what is open"],
];

const ACTIONS = new Map(KEYS.flatMap(([keys, action]) => keys.map((key) => [key, action])));

/**
 * What a key press asks for.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @param {boolean} inBox whether somebody is writing
 * @returns {string} an action, or ""
 */
export function actionOf(event, inBox) {
  if (event.ctrlKey || event.metaKey || event.altKey) return "";
  if (inBox && event.key !== "Escape") return "";
  return ACTIONS.get(event.key) ?? "";
}

/** @param {string} key @returns {string} as it stands on a keyboard */
export function keyName(key) {
  const names = { " ": "space", ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };
  return /** @type {Record<string, string>} */ (names)[key] ?? key;
}
