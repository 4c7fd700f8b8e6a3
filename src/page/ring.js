// The rows that the page has: a window over the log that grows at both ends, and how high each is. Pure.
//
// A row's number never changes while it is here: the first row ever is 0, older ones have negative numbers. Heights are
// counted in lines of text, so sums are exact; sums of blocks make finding a row by its height quick.

import { joinTrace } from "./row.js";

/** @typedef {import("./row.js").Row} Row */

/** The most rows at a time. */
export const ROWS_MAX = 200_000;
// So many more slots than rows that both ends of the window never share a block.
const SLOTS = 1 << 18;
const BLOCK_BITS = 9;
const BLOCKS = SLOTS >> BLOCK_BITS;

const slot = (/** @type {number} */ number) => number & (SLOTS - 1);
const block = (/** @type {number} */ number) => slot(number) >> BLOCK_BITS;

export class Ring {
  /** @type {(Row | undefined)[]} */
  #rows = new Array(SLOTS);
  #heights = new Uint16Array(SLOTS);
  #sums = new Uint32Array(BLOCKS);
  /** The number of the first row, and the one after the last. */
  first = 0;
  end = 0;
  /** The height of all rows, in lines. */
  total = 0;
  /** Whether what looks like a part of the row before it is folded into it: only where all lines are here, or a filter's hits would be hidden. */
  folds = true;

  /** @param {(row: Row, before: Row | undefined) => number} measure how high a row is, in lines */
  constructor(measure) {
    this.measure = measure;
  }

  get size() {
    return this.end - this.first;
  }

  /** @param {number} number @returns {Row | undefined} */
  get(number) {
    return number >= this.first && number < this.end ? this.#rows[slot(number)] : undefined;
  }

  clear() {
    if (this.size === 0 && this.end === 0) return;
    this.#rows = new Array(SLOTS);
    this.#heights.fill(0);
    this.#sums.fill(0);
    this.first = this.end = this.total = 0;
  }

  /** @param {Row[]} rows no more than there is room for */
  append(rows) {
    for (const row of rows) {
      if (this.folds) joinTrace(row, this.get(this.end - 1));
      this.#rows[slot(this.end)] = row;
      this.end++;
      this.#set(this.end - 1, this.measure(row, this.get(this.end - 2)));
    }
  }

  /** @param {Row[]} rows no more than there is room for */
  prepend(rows) {
    const number = this.first;
    for (let at = rows.length - 1; at >= 0; at--) {
      this.first--;
      this.#rows[slot(this.first)] = rows[at];
    }
    for (let at = this.first; at < number; at++) {
      const row = /** @type {Row} */ (this.get(at));
      if (this.folds) joinTrace(row, this.get(at - 1));
      this.#set(at, this.measure(row, this.get(at - 1)));
    }
    this.remeasure(number);
  }

  /** Lets go of rows at the beginning. @param {number} number the first that stays */
  dropBefore(number) {
    for (; this.first < Math.min(number, this.end); this.first++) this.#forget(this.first);
    this.remeasure(this.first);
  }

  /** Lets go of rows at the end. @param {number} number the first that goes */
  dropFrom(number) {
    for (; this.end > Math.max(number, this.first); this.end--) this.#forget(this.end - 1);
  }

  /** @param {number} number */
  height(number) {
    return this.get(number) ? this.#heights[slot(number)] : 0;
  }

  /** @param {number} number @param {number} lines what it turned out to be */
  setHeight(number, lines) {
    if (this.get(number)) this.#set(number, lines);
  }

  /** Measures a row again. @param {number} number */
  remeasure(number) {
    const row = this.get(number);
    if (row) this.#set(number, this.measure(row, this.get(number - 1)));
  }

  /** Measures all rows again. */
  remeasureAll() {
    for (let number = this.first; number < this.end; number++) this.remeasure(number);
  }

  /** @param {number} number @returns {number} how many lines are above this row */
  above(number) {
    const to = Math.min(Math.max(number, this.first), this.end);
    let lines = 0;
    let at = this.first;
    while (at < to) {
      const next = ((at >> BLOCK_BITS) + 1) << BLOCK_BITS;
      if (at === next - (1 << BLOCK_BITS) && next <= to) {
        lines += this.#sums[block(at)];
        at = next;
      } else lines += this.#heights[slot(at++)];
    }
    return lines;
  }

  /** @param {number} line @returns {number} the row that this line of all is in; the last one beyond the end */
  at(line) {
    let left = line;
    let at = this.first;
    while (at < this.end) {
      const next = ((at >> BLOCK_BITS) + 1) << BLOCK_BITS;
      if (at === next - (1 << BLOCK_BITS) && next <= this.end && this.#sums[block(at)] <= left) {
        left -= this.#sums[block(at)];
        at = next;
        continue;
      }
      const height = this.#heights[slot(at)];
      if (left < height) return at;
      left -= height;
      at++;
    }
    return Math.max(this.first, this.end - 1);
  }

  /** @param {number} number @param {number} lines */
  #set(number, lines) {
    const bounded = Math.min(lines, 65_535);
    const change = bounded - this.#heights[slot(number)];
    this.#heights[slot(number)] = bounded;
    this.#sums[block(number)] += change;
    this.total += change;
  }

  /** @param {number} number */
  #forget(number) {
    this.#set(number, 0);
    this.#rows[slot(number)] = undefined;
  }
}
