// Selecting and copying across rows, most of which are not in the document: remembers both ends by row.

/** @typedef {{number: number, offset: number}} End a row, and a place in the text of its element */
/** @typedef {import("./row.js").Row} Row */

export class Selecting {
  /** @type {End | null} */
  #start = null;
  /** @type {End | null} */
  #end = null;
  #restoring = false;
  /** Where the pointer is, while it selects. @type {PointerEvent | null} */
  #pointer = null;

  /**
   * @param {HTMLElement} area
   * @param {(number: number) => Row | undefined} get
   * @param {() => void} selects somebody selects more than nothing
   */
  constructor(area, get, selects) {
    this.area = area;
    this.get = get;
    this.selects = selects;
    document.addEventListener("selectionchange", () => this.#changed());
    area.addEventListener("copy", (event) => this.#copy(event));
    area.addEventListener("pointerdown", (event) => {
      this.#start = this.#end = null;
      this.#pointer = event.button === 0 ? event : null;
    });
    addEventListener("pointerup", () => (this.#pointer = null));
    addEventListener("pointermove", (event) => {
      if (!this.#pointer) return;
      this.#pointer = event;
      if (this.#start) this.restore();
    });
  }

  /** @param {number} first @param {number} end */
  all(first, end) {
    this.#start = { number: first, offset: 0 };
    this.#end = { number: end - 1, offset: Infinity };
    this.restore();
  }

  none() {
    this.#start = this.#end = null;
    document.getSelection()?.empty();
  }

  #changed() {
    const selection = document.getSelection();
    if (this.#restoring || !selection || selection.isCollapsed) return;
    const [start, end] = [endOf(selection.anchorNode, selection.anchorOffset), endOf(selection.focusNode, selection.focusOffset)];
    if (!end) return;
    // Where the row of the first end has left the document the browser has moved that end; the row is remembered.
    this.#start ??= start;
    if (!this.#pointer || !this.#end) this.#end = end;
    this.selects();
  }

  /** Selects in the document what of the selection is there, after rows came and went. */
  restore() {
    if (this.#start && this.#pointer) this.#end = endAt(this.#pointer) ?? this.#end;
    if (!this.#start || !this.#end || this.#start.number === this.#end.number) return;
    const rows = /** @type {HTMLElement[]} */ ([...this.area.querySelectorAll(".row")]);
    const at = (/** @type {End} */ end) => {
      const row = rows.find((row) => Number(row.dataset.number) === end.number);
      const outside = Number(rows[0]?.dataset.number) > end.number ? rows[0] : rows.at(-1);
      if (!row) return outside ? /** @type {const} */ ([outside, outside === rows[0] ? 0 : outside.childNodes.length]) : null;
      return placeIn(row, end.offset);
    };
    const [start, end] = [at(this.#start), at(this.#end)];
    if (!start || !end) return;
    this.#restoring = true;
    document.getSelection()?.setBaseAndExtent(start[0], start[1], end[0], end[1]);
    setTimeout(() => (this.#restoring = false));
  }

  /** @param {ClipboardEvent} event */
  #copy(event) {
    const [start, end] = [this.#start, this.#end];
    if (!start || !end || start.number === end.number || document.getSelection()?.isCollapsed) return;
    const [first, last] = start.number < end.number ? [start, end] : [end, start];
    const lines = [];
    for (let number = first.number; number <= last.number; number++) {
      const row = this.get(number);
      if (row) lines.push(row.line);
    }
    event.clipboardData?.setData("text/plain", `${lines.join("\n")}\n`);
    event.preventDefault();
  }
}

/** @param {PointerEvent} pointer @returns {End | null} */
function endAt({ clientX, clientY }) {
  const caret = document.caretPositionFromPoint?.(clientX, clientY);
  return caret ? endOf(caret.offsetNode, caret.offset) : null;
}

/** @param {Node | null} node @param {number} offset @returns {End | null} */
function endOf(node, offset) {
  const element = node instanceof Element ? node : node?.parentElement;
  const row = /** @type {HTMLElement | null | undefined} */ (element?.closest(".row"));
  if (!row || !node) return null;
  const range = document.createRange();
  range.setStart(row, 0);
  range.setEnd(node, offset);
  return { number: Number(row.dataset.number), offset: range.toString().length };
}

/** @param {HTMLElement} row @param {number} offset @returns {[Node, number]} */
function placeIn(row, offset) {
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (left <= length) return [node, left];
    left -= length;
  }
  return [row, row.childNodes.length];
}
