// What the page says of itself: the state of the connection in words, the title, marks over what was found.

import { ERROR } from "./row.js";
import { finds } from "./find.js";
import { amount, grouped, size, span } from "./time.js";
import { make } from "./look.js";

/** @typedef {import("./row.js").Row} Row */

/** A search that is over sooner says nothing of itself. */
const SOON_MS = 300;

export class Bar {
  #unseen = { lines: 0, errors: 0 };
  #saying = 0;
  #icon = "";

  /** @param {Document} page */
  constructor(page) {
    this.page = page;
    this.title = `${location.host} · sidetail`;
  }

  /** @param {string} id @returns {any} */
  #byId(id) {
    return this.page.getElementById(id);
  }

  /** @param {import("./view.js").View} view @param {number} behind in bytes */
  state(view, behind) {
    const words = wordsOf(view.state, behind, view.searching > 0 || !view.loaded);
    const state = this.#byId("state");
    if (state.textContent !== words) state.textContent = words;
    state.dataset.kind = this.#byId("progress").dataset.kind = view.state.kind;
    this.#byId("progress").classList.toggle("busy", view.seeking !== null || view.searching > 0 || view.state.kind === "history");
  }

  /** How a search for older rows gets on, once somebody waits for it. @param {import("./view.js").View} view @param {any[]} logs as `/logs` tells of them */
  search(view, logs) {
    const began = view.seeking?.began || view.searching;
    const ms = began ? Date.now() - began : 0;
    const { reached, all } = ms > SOON_MS ? view.searched(logs) : { reached: 0, all: 0 };
    this.#byId("older").textContent = ms > SOON_MS ? searchWords(ms, reached, all, view.seeking) : "";
    this.#byId("progress").classList.toggle("part", all > 0);
    this.#byId("progress").style.setProperty("--part", all > 0 ? `${(100 * reached) / all}%` : "");
  }

  /** Says something for a moment. @param {string} words */
  say(words) {
    this.#byId("hint").textContent = this.#byId("said").textContent = words;
    clearTimeout(this.#saying);
    this.#saying = /** @type {any} */ (setTimeout(() => (this.#byId("hint").textContent = ""), 3000));
  }

  /** Counts what a hidden tab gets. @param {Row[]} rows */
  arrived(rows) {
    if (!this.page.hidden) return;
    this.#unseen.lines += rows.length;
    this.#unseen.errors += rows.filter((row) => row.level >= ERROR && row.part === 0).length;
    const { lines, errors } = this.#unseen;
    this.page.title = `(${errors > 0 ? amount(errors, "error") : grouped(lines)}) ${this.title}`;
    if (errors > 0) this.#paint(errors);
  }

  /** Somebody looks again. */
  seen() {
    this.#unseen = { lines: 0, errors: 0 };
    this.page.title = this.title;
    this.#paint(0);
  }

  /** The tab's icon: how many errors nobody saw. @param {number} errors */
  #paint(errors) {
    const icon = /** @type {HTMLLinkElement} */ (this.page.querySelector("link[rel=icon]"));
    this.#icon ||= icon.href;
    const count = errors > 99 ? "99" : String(errors);
    const drawn = `%3Ctext x='8' y='12' font-size='11' text-anchor='middle' fill='white' font-family='sans-serif'%3E${count}%3C/text%3E%3C/svg%3E`;
    icon.href = errors > 0 ? this.#icon.replace("%230b6b5d", "%23b3261e").replace(/%3Cpath.*/, drawn) : this.#icon;
  }

  /**
   * Marks what was found in the rows that are in the document, without changing it.
   * @param {HTMLElement} area
   * @param {RegExp[]} marks
   */
  mark(area, marks) {
    const { CSS, Highlight } = /** @type {any} */ (globalThis);
    if (!CSS?.highlights) return;
    CSS.highlights.delete("found");
    if (marks.length > 0) CSS.highlights.set("found", new Highlight(...[...area.querySelectorAll(".text")].flatMap((text) => ranges(text, marks))));
  }
}

/** @param {Element} element @param {RegExp[]} marks @returns {Range[]} */
function ranges(element, marks) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  /** @type {{node: Node, from: number}[]} */
  const nodes = [];
  let text = "";
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push({ node, from: text.length });
    text += node.nodeValue;
  }
  const place = (/** @type {number} */ at) => /** @type {{node: Node, from: number}} */ (nodes.findLast(({ from }) => from <= at));
  return marks.flatMap((mark) =>
    [...text.matchAll(mark)].filter((found) => found[0] !== "").map((found) => {
      const [start, last] = [place(found.index), place(found.index + found[0].length - 1)];
      const range = document.createRange();
      range.setStart(start.node, found.index - start.from);
      range.setEnd(last.node, found.index + found[0].length - last.from);
      return range;
    }),
  );
}

/**
 * @param {import("./connection.js").State} state
 * @param {number} behind in bytes
 * @param {boolean} loading
 * @param {number} [now]
 */
export function wordsOf(state, behind, loading, now = Date.now()) {
  const seconds = "until" in state ? Math.max(1, Math.ceil((state.until - now) / 1000)) : 0;
  if (state.kind === "connecting") return "Connecting";
  if (state.kind === "past") return "Up to a time, not live";
  if (state.kind === "refused") return "Request refused";
  if (state.kind === "busy") return `The server has no room; asking again in ${seconds} s`;
  if (state.kind === "waiting") return `${state.failures > 3 ? "Agent away" : "Reconnecting"}: again in ${seconds} s`;
  if (state.kind === "history") return behind > 0 ? `Catching up: ${size(behind)} behind` : "Catching up";
  return loading ? "Live, reading history" : "Live";
}

/**
 * @param {number} ms for which it has been searched
 * @param {number} reached in bytes
 * @param {number} all in bytes; 0 or NaN where it is not known
 * @param {{back: boolean} | null} [seeking] what can be stopped
 */
export function searchWords(ms, reached, all, seeking) {
  const what = `Searching ${seeking?.back === false ? "newer" : "older"} lines`;
  const far = all > 0 ? `: ${size(reached)} of ${size(all)}` : `${ms > 2000 ? ` for ${span(ms)}` : ""} …`;
  return what + far + (seeking ? " (Esc stops)" : "");
}

/**
 * Why there is nothing to see.
 * @param {string} find what is in the box
 * @param {import("./find.js").Query} query
 * @param {any} status as `/logs` tells; null where that is not known
 * @returns {HTMLElement[]}
 */
export function emptyWords(find, query, status) {
  if (finds(query) || query.since || query.until) {
    const later = query.until ? "No more are looked for." : "New ones appear here as they are written.";
    return [make("h2", "", `No line matches ${find}`), make("p", "", `All that is there was searched. ${later}`), make("button", "", "Show all lines")];
  }
  const logs = (status?.logs ?? []).map((/** @type {any} */ log) => `${log.name}: ${log.path} ${log.error ? `can't be read: ${log.error}` : log.present ? "is empty" : "is not there yet"}`);
  const problems = (status?.problems ?? []).map((/** @type {any} */ problem) => `${problem.path}: ${problem.error}`);
  const unmatched = (status?.unmatched ?? []).map((/** @type {string} */ pattern) => `${pattern}: no file fits it yet`);
  const list = make("ul", "");
  const all = [...logs, ...problems, ...unmatched];
  // Whom not all was granted is told of no patterns.
  list.append(...(all.length > 0 ? all : ["There is no log yet that you may read."]).map((text) => make("li", "", text)));
  return [make("h2", "", "No line yet"), list, make("p", "", "Files that appear are found by themselves."), make("p", "", "To see it work without a log of your own: sidetail demo")];
}
