// A list of any length with a constant number of elements: those in view and a few beside them. Follows the end, or
// stands still at a row whatever comes or goes around it.

/** @typedef {import("./ring.js").Ring} Ring */
/** @typedef {import("./row.js").Row} Row */
/**
 * @typedef {object} Listener
 * @property {(element: HTMLElement, number: number, row: Row) => void} fill makes an element show a row
 * @property {() => void} moved something else is in view, or following began or ended
 * @property {() => void} painted
 */

/** The height of a line, in pixels; the style sheet says the same. */
export const LINE = 20;
/** Firefox loses elements that are higher than some ten million pixels. */
const HEIGHT_MAX = 8_000_000;
const BESIDE = 8;
const HIDDEN_PAINT_MS = 250;
/** A browser's own scrolling glides on for no longer than this after the key or the wheel that asked for it. */
const GLIDE_MS = 1000;

export class List {
  following = true;
  /** The rows in view. */
  from = 0;
  to = 0;
  /** The row at the top, and how far it is above the edge, in pixels. */
  #anchor = { number: 0, above: 0 };
  /** The same as it was painted last, and where the scroll bar was then. */
  #painted = { number: 0, above: 0, scroll: 0 };
  /** @type {Map<number, HTMLElement>} */
  #shown = new Map();
  /** @type {HTMLElement[]} */
  #spare = [];
  #due = false;
  #top = 0;
  /** Until when what scrolls by itself must not take the reader away from the row that he went to. */
  #heldUntil = 0;
  #widest = 0;
  #stale = new Set();
  #allStale = false;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} spacer
   * @param {HTMLElement} body
   * @param {Ring} rows
   * @param {Listener} tell
   */
  constructor(scroller, spacer, body, rows, tell) {
    this.scroller = scroller;
    this.spacer = spacer;
    this.body = body;
    this.rows = rows;
    this.tell = tell;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.pause(), { passive: true });
    for (const asks of ["wheel", "touchstart", "pointerdown", "keydown"]) scroller.addEventListener(asks, () => (this.#heldUntil = 0), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(scroller);
  }

  /** Stands still at what is in view. */
  pause() {
    if (!this.following || this.rows.total * LINE <= this.scroller.clientHeight) return;
    this.following = false;
    this.#noteAnchor();
    this.tell.moved();
  }

  follow() {
    this.following = true;
    this.schedule();
    this.tell.moved();
  }

  /** Puts a row into view: near the middle, or only as far as needed. @param {number} number @param {boolean} middle */
  show(number, middle) {
    const view = this.scroller.clientHeight;
    const at = this.rows.above(number) * LINE;
    const height = Math.max(1, this.rows.height(number)) * LINE;
    let top = this.#virtual();
    if (middle) top = at - Math.max(0, (view - height) / 2);
    else if (at < top) top = at;
    else if (at + height > top + view) top = Math.min(at, at + height - view);
    else if (this.following) return;
    this.#heldUntil = performance.now() + GLIDE_MS;
    this.#standAt(top);
  }

  /** Goes so many views down, but two lines; follows from the end on. @param {number} views */
  page(views) {
    const { height, view } = this.#limits();
    if (height <= view) return;
    const top = this.#wantedTop() + views * Math.max(LINE, view - 2 * LINE);
    if (top < height - view) this.#standAt(top);
    else if (!this.following) this.follow();
  }

  /** @param {number} top */
  #standAt(top) {
    this.following = false;
    this.#anchorAt(Math.max(0, top));
    this.schedule();
    this.tell.moved();
  }

  /** Rows look different now: these, or all. @param {number} [number] */
  refresh(number) {
    if (number === undefined) this.#allStale = true;
    else this.#stale.add(number);
    this.schedule();
  }

  /** Does something with every row that is in the document. @param {(element: HTMLElement, row: Row) => void} work */
  each(work) {
    for (const [number, element] of this.#shown) work(element, /** @type {Row} */ (this.rows.get(number)));
  }

  /** Paints in the next frame; a hidden tab has none. */
  schedule() {
    if (this.#due) return;
    this.#due = true;
    const paint = () => this.#due && this.paint();
    if (document.hidden) setTimeout(paint, HIDDEN_PAINT_MS);
    else requestAnimationFrame(paint);
  }

  #scrolled() {
    const { scrollTop } = this.scroller;
    if (scrollTop === this.#top) return;
    if (performance.now() < this.#heldUntil) return this.schedule();
    const up = scrollTop < this.#top;
    this.#top = scrollTop;
    const atEnd = scrollTop >= this.scroller.scrollHeight - this.scroller.clientHeight - 2;
    if (this.following && up && !atEnd) this.following = false;
    else if (!this.following && !up && atEnd) this.following = true;
    if (!this.following) this.#noteAnchor();
    this.schedule();
    this.tell.moved();
  }

  #limits() {
    const height = this.rows.total * LINE;
    const view = this.scroller.clientHeight;
    return { height, view, spacer: Math.min(height, HEIGHT_MAX) };
  }

  /** How far down all rows the view is, in pixels: the scroll bar's place, stretched where the spacer had to be shorter. */
  #virtual() {
    return this.scroller.scrollTop * this.#stretch();
  }

  #stretch() {
    const { height, view, spacer } = this.#limits();
    return spacer === height ? 1 : (height - view) / Math.max(1, spacer - view);
  }

  /** @param {number} top */
  #scrollTo(top) {
    const { height, view, spacer } = this.#limits();
    const to = spacer === height ? top : (top / Math.max(1, height - view)) * (spacer - view);
    if (Math.abs(this.scroller.scrollTop - to) >= 1) this.scroller.scrollTop = to;
    this.#top = this.scroller.scrollTop;
  }

  #noteAnchor() {
    if (!this.#due) return this.#anchorAt(this.#virtual());
    // Rows may have come above what is painted, of which the scroll bar does not know.
    const { number, above, scroll } = this.#painted;
    const moved = (this.scroller.scrollTop - scroll) * this.#stretch();
    this.#anchorAt(Math.max(0, this.rows.above(number) * LINE + above + moved));
  }

  /** @param {number} top */
  #anchorAt(top) {
    const number = this.rows.at(Math.floor(top / LINE));
    this.#anchor = { number, above: top - this.rows.above(number) * LINE };
  }

  #wantedTop() {
    const { height, view } = this.#limits();
    if (this.following) return Math.max(0, height - view);
    const number = Math.max(this.#anchor.number, this.rows.first);
    return Math.min(Math.max(0, height - view), this.rows.above(number) * LINE + this.#anchor.above);
  }

  /** Paints at once. */
  paint() {
    this.#due = false;
    // Heights are measured by what is shown, and what is shown depends on heights: twice is enough.
    let wrong = true;
    for (let again = 0; again < 3 && wrong; again++) {
      const { spacer, view } = this.#limits();
      this.spacer.style.height = `${Math.max(spacer, view)}px`;
      const top = this.#wantedTop();
      this.#scrollTo(top);
      this.#place(top, view);
      wrong = this.#measure();
    }
    if (wrong) this.schedule();
    this.#allStale = false;
    this.#stale.clear();
    this.#keepWidth();
    this.tell.painted();
  }

  /** @param {number} top @param {number} view */
  #place(top, view) {
    const { rows } = this;
    this.from = rows.at(Math.floor(top / LINE));
    this.#painted = { number: this.from, above: top - rows.above(this.from) * LINE, scroll: this.#top };
    const first = Math.max(rows.first, rows.at(Math.max(0, Math.floor(top / LINE) - BESIDE)));
    /** @type {Map<number, HTMLElement>} */
    const shown = new Map();
    const start = rows.above(first) * LINE;
    const wanted = [];
    let bottom = start;
    this.to = first;
    for (let number = first; number < rows.end && bottom < top + view + BESIDE * LINE; number++) {
      const height = rows.height(number);
      if (bottom < top + view) this.to = number + 1;
      bottom += height * LINE;
      if (height > 0) wanted.push(number);
    }
    for (const number of wanted) {
      const element = this.#shown.get(number);
      if (!element) continue;
      shown.set(number, element);
      this.#shown.delete(number);
    }
    // Out of the way first: else all that stays would be moved before them, and laid out anew.
    for (const element of this.#shown.values()) element.remove();
    this.#spare.push(...this.#shown.values());
    let place = this.body.firstElementChild;
    for (const number of wanted) {
      let element = shown.get(number);
      if (!element || this.#allStale || this.#stale.has(number)) {
        element ??= this.#spare.pop() ?? document.createElement("div");
        this.tell.fill(element, number, /** @type {Row} */ (rows.get(number)));
        shown.set(number, element);
      }
      if (place === element) place = element.nextElementSibling;
      else this.body.insertBefore(element, place);
    }
    this.#spare.length = Math.min(this.#spare.length, 64);
    this.#shown = new Map(wanted.map((number) => [number, /** @type {HTMLElement} */ (shown.get(number))]));
    const offset = this.#limits().spacer === rows.total * LINE ? start : this.scroller.scrollTop + start - top;
    this.body.style.transform = `translateY(${offset}px)`;
  }

  /** The scroll bar to the right does not jump as long rows come and go. */
  #keepWidth() {
    if (this.rows.size === 0 || document.body.classList.contains("wrap")) this.#widest = 0;
    else this.#widest = Math.max(this.#widest, this.body.offsetWidth);
    this.body.style.minWidth = this.#widest > this.scroller.clientWidth ? `${this.#widest}px` : "";
  }

  /** Corrects heights that were guessed. @returns {boolean} whether any was wrong */
  #measure() {
    let wrong = false;
    for (const [number, element] of this.#shown) {
      const lines = Math.max(1, Math.round(element.offsetHeight / LINE));
      if (lines === this.rows.height(number)) continue;
      this.rows.setHeight(number, lines);
      wrong = true;
    }
    return wrong;
  }
}
