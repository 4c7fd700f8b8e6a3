// The window over the log: what is in the ring, where older and newer rows are to be had, and whether it is attached to
// the live stream. Every row once: pages and stream meet at ids.
//
//   attached: rows that arrive are appended.
//   detached: they are counted, and read from the server after `newer` when the reader comes to the end.

import { Refused, page } from "./history.js";
import { ROWS_MAX, Ring } from "./ring.js";
import { ownPosition } from "./row.js";

/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./connection.js").State} State */
/** @typedef {{at: string, since: string, until: string}} Where */
/**
 * @typedef {object} Listener
 * @property {(how: "above" | "below" | "all") => void} changed rows came or went
 * @property {() => void} state anything else changed
 * @property {() => Promise<unknown>} painted what there is can be seen: what is not in a hurry may follow
 * @property {(rows: Row[]) => void} arrived live rows, shown or not
 * @property {() => [number, number] | null} keep rows that must stay, while the reader stands still
 */

/** As the server tells the browser to ask for, before this code is there. */
const FIRST_PAGE = "100";
const PAGE = 1000;
const AROUND = "300";

export class View {
  /** @type {string | null} */
  older = null;
  /** @type {string | null} */
  newer = null;
  attached = false;
  /** What arrived and is not in the ring. */
  waiting = { lines: 0, bytes: 0 };
  /** @type {State} */
  state = { kind: "connecting" };
  /** Why the server refuses what is asked for, or "". */
  refused = "";
  /** When the search for older rows began, if one runs. */
  searching = 0;
  /** A search beyond the ring for one row: when it began, and how far it is. @type {{began: number, back: boolean, cursor: string} | null} */
  seeking = null;
  loaded = false;
  #filter = new URLSearchParams();
  /** @type {Where} */
  #where = { at: "", since: "", until: "" };
  /** Places where a cursor is known that divides the rows before from those after. @type {{number: number, cursor: string}[]} */
  #cuts = [];
  /** From this row on every row's id is such a cursor. */
  #liveFrom = Infinity;
  #abort = new AbortController();
  #stop = new AbortController();
  /** The first row since the time that was asked for, where older ones are read back to it. @type {Row | undefined} */
  #earliest;
  /** @type {Row[] | null} */
  #pending = null;
  /** The rows of pages that the stream gives too, if it is behind them: their own positions. @type {Set<string>} */
  #had = new Set();
  #loadingNewer = false;
  #joined = false;
  /** @type {import("./hub.js").Port | null} */
  #port = null;
  #turn = 0;
  #joins = 0;

  /**
   * @param {Pick<typeof import("./link.js"), "connect" | "here">} link
   * @param {(row: Row, before: Row | undefined) => number} measure
   * @param {Listener} tell
   */
  constructor(link, measure, tell) {
    this.rows = new Ring(measure);
    this.link = link;
    this.tell = tell;
  }

  /** Asks the hub, to which the way is made when it is needed: the first lines come first. @param {import("./hub.js").Asked} asked */
  ask(asked) {
    const port = this.#port ?? this.#use(this.link.connect(() => {
      // Its code can't be had: the agent went away just now.
      this.#use(this.link.here());
      this.#joins = 0;
      this.#join();
    }));
    port.postMessage(asked);
  }

  /** @param {import("./hub.js").Port} port */
  #use(port) {
    port.onmessage = ({ data }) => this.#said(data);
    return (this.#port = port);
  }

  /** Shows something else. @param {URLSearchParams} filter @param {Where} where @param {string} [refused] why that can't be asked for */
  open(filter, where, refused = "") {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.stop();
    this.#earliest = undefined;
    this.rows.folds = !["match", "exclude", "level", "event"].some((name) => filter.has(name));
    Object.assign(this, { older: null, newer: null, attached: false, refused, searching: 0, loaded: false });
    this.waiting = { lines: 0, bytes: 0 };
    this.#cuts = [];
    this.#liveFrom = Infinity;
    this.#pending = null;
    this.#had.clear();
    this.#loadingNewer = false;
    this.#filter = filter;
    this.#where = where;
    this.rows.clear();
    this.#joined = false;
    this.#turn++;
    if (this.#port) this.ask({ type: "bye" });
    this.state = refused ? { kind: "refused", why: refused } : { kind: "connecting" };
    if (!refused) this.#attempt(() => this.#openPages()).then(() => this.#join());
    this.tell.changed("all");
    this.tell.state();
  }

  /** How far from the present end it is, in bytes, about. @param {any[]} logs as `/logs` tells of them */
  behind(logs) {
    const behind = (/** @type {string} */ cursor) => bytesAround(logs, cursor)[1];
    if (!this.attached) return behind(this.newer ?? "");
    if (this.state.kind !== "history") return 0;
    return Math.min(behind(this.rows.get(this.rows.end - 1)?.id || this.state.cursor), behind(this.state.cursor));
  }

  /** How far from the present end a search for older rows has come, and how far it may have to go: in bytes, about; NaN where that is not known. @param {any[]} logs as `/logs` tells of them */
  searched(logs) {
    const { back, cursor } = this.seeking ?? { back: true, cursor: this.older ?? "" };
    const [before, behind] = bytesAround(logs, cursor);
    return { reached: back ? behind : before, all: before + behind };
  }

  /** Whether all there is is here. */
  get isWhole() {
    return this.older === null && this.newer === null;
  }

  /** Whether what arrives is not what comes next to what is here. */
  get isAway() {
    return !this.attached || this.state.kind === "history";
  }

  /** Leaves a stream that has much to catch up to those who read it on. What is opened next begins at the present end. */
  skip() {
    if (this.state.kind === "history") this.ask({ type: "skip" });
  }

  /** A cursor before a row, as near to it as is known. @param {number} number */
  before(number) {
    const cut = this.#cuts.findLast((cut) => cut.number <= number);
    const own = this.rows.get(number - 1)?.id;
    if (!cut || (number > this.#liveFrom && own)) return own ?? this.older ?? "";
    // Rows of several logs have been put in order by their times.
    const logs = new Set();
    for (let at = cut.number; at < number; at++) logs.add(this.rows.get(at)?.log);
    return (logs.size === 1 && own) || cut.cursor;
  }

  /**
   * Looks beyond the ring for the next row, or for the one before.
   * @param {URLSearchParams} filter which rows
   * @param {boolean} back
   * @returns {Promise<string | undefined>} its id, or "" if there is none; undefined if the search was stopped
   */
  async find(filter, back) {
    const from = back ? this.older : this.newer;
    if (!this.loaded) return undefined;
    if (from === null) return "";
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const { until } = this.#where;
    const seeking = (this.seeking = { began: Date.now(), back, cursor: from });
    const id = await this.#attempt(async () => {
      for (;;) {
        const { cursor } = seeking;
        /** @type {Record<string, string>} */
        const where = back ? { before: cursor, tail: "1" } : { after: cursor, limit: "1", ...(until ? { until } : {}) };
        const { rows, start } = await page(filter, where, signal, (cursor) => back || ((seeking.cursor = cursor), this.tell.state()));
        const row = rows.find((row) => row.kind === "record");
        if (row) return this.#earliest && row.time < this.#earliest.time ? "" : row.id;
        if (!back || start === cursor) return "";
        seeking.cursor = start;
        this.tell.state();
      }
    }, signal);
    if (this.seeking === seeking) this.seeking = null;
    this.tell.state();
    return signal.aborted ? undefined : id;
  }

  /** Ends a search for one row. */
  stop() {
    this.#stop.abort();
    this.seeking = null;
  }

  /** @param {any} said */
  #said(said) {
    if (said.turn !== this.#turn) return;
    if (said.type === "rows") {
      this.ask({ type: "took", count: said.rows.length });
      this.tell.arrived(said.rows);
      this.#take(said.rows);
    } else if (said.type === "state") {
      this.state = said.state;
      if (said.state.kind === "refused") this.refused = said.state.why;
      this.tell.state();
    } else if (said.type === "joined") {
      this.#joined = true;
      if (!this.#where.at && !this.#where.since) this.loadNewer();
      this.tell.changed("below");
    } else if (said.type === "overrun") this.#fallBehind();
  }

  /** Has the stream of what arrives from now on. */
  #join() {
    if (this.refused || this.#joins === this.#turn) return;
    this.#joins = this.#turn;
    if (this.#where.until) {
      this.state = { kind: "past" };
      return this.tell.state();
    }
    const live = new URLSearchParams(this.#filter);
    for (const [name, value] of [["from", "end"], ["data", "json"], ["notices", "true"]]) live.set(name, value);
    this.ask({ type: "open", url: new URL(`events?${live}`, document.baseURI).href, turn: this.#turn, shown: !document.hidden });
  }

  /** What is there before anything arrives. Does not wait for the stream: both meet in {@link #attach}. @returns {Promise<void>} */
  async #openPages() {
    const { at, since, until } = this.#where;
    const signal = this.#abort.signal;
    if (at) {
      const ask = (/** @type {Record<string, string>} */ where) => page(this.#filter, where, signal);
      const [before, after, first] = await Promise.all([
        ask({ before: at, tail: AROUND }),
        ask({ after: at, limit: AROUND, ...(until ? { until } : {}) }),
        since ? ask({ since, limit: "1" }) : null,
      ]);
      this.#earliest = first?.rows[0];
      // A row that is older than what was asked for is not shown.
      if (first && !(this.#earliest && !(this.#earliest.time > Number(before.rows.at(-1)?.time)))) {
        this.#where.at = "";
        return this.#openPages();
      }
      this.older = before.start;
      this.newer = after.end || at;
      before.rows = this.#clipped(before.rows);
      this.#cuts = [{ number: 0, cursor: before.start }, { number: before.rows.length, cursor: at }];
      this.#note([...before.rows, ...after.rows]);
      this.rows.append([...before.rows, ...after.rows]);
    } else if (since || until) {
      /** @type {Record<string, string>} */
      const where = since ? { since } : { from: "start" };
      if (until) where.until = until;
      const first = await page(this.#filter, { ...where, limit: String(PAGE) }, signal);
      this.newer = first.end;
      this.#cuts = [{ number: 0, cursor: first.start }];
      this.#note(first.rows);
      this.rows.append(first.rows);
      if (until && first.records < PAGE) this.newer = null;
    } else {
      const last = await page(this.#filter, { before: "end", tail: FIRST_PAGE }, signal);
      this.older = last.start;
      this.newer = last.end;
      this.#cuts = [{ number: 0, cursor: last.end }];
      if (last.rows.length > 0) this.#prepend(last.rows, last.start);
    }
    this.loaded = true;
    this.tell.changed("all");
    this.tell.state();
    await this.tell.painted();
    // More than what is in view, for the histogram and a first look back.
    if (!at && !signal.aborted) this.loadOlder();
  }

  /** Reads a page of older rows, if there are any; goes on searching until there is one, and while it is not full and more may come. */
  loadOlder() {
    if (this.older !== null && !this.searching && this.loaded) this.#attempt(() => this.#readOlder());
  }

  async #readOlder() {
    this.searching = Date.now();
    this.tell.state();
    // Two answers without a row: there may be more, but not near. The first may only name the beginning of a log in another way.
    for (let [found, without] = [0, 0]; this.older !== null && found < PAGE && (without < 2 || found === 0); ) {
      /** @type {string} */
      const before = this.older;
      const earlier = await page(this.#filter, { before, tail: String(PAGE) }, this.#abort.signal);
      // The first rows went meanwhile: these do not come next to what is here.
      if (this.older !== before) break;
      found += earlier.rows.length;
      without = earlier.rows.length > 0 ? 0 : without + 1;
      this.older = earlier.start === before ? null : earlier.start;
      if (without === 0) this.#prepend(this.#clipped(earlier.rows), earlier.start);
      this.tell.changed("above");
    }
    this.searching = 0;
    this.tell.state();
  }

  /** Without what is older than what was asked for; if that begins here nothing is older. @param {Row[]} rows */
  #clipped(rows) {
    const { id } = this.#earliest ?? { id: "" };
    const first = rows.findIndex((row) => id && ownPosition(row.id) === ownPosition(id));
    if (first >= 0) this.older = null;
    return rows.slice(Math.max(0, first));
  }

  /** @param {Row[]} rows @param {string} start */
  #prepend(rows, start) {
    const over = this.rows.size + rows.length - ROWS_MAX;
    if (over > 0) this.#makeRoomBelow(over);
    if (!this.attached) this.#note(rows);
    this.rows.prepend(rows);
    this.#cuts.unshift({ number: this.rows.first, cursor: start });
  }

  /** The stream may be behind these rows of a page, and give them too. @param {Row[]} rows */
  #note(rows) {
    for (const row of rows) this.#had.add(ownPosition(row.id));
  }

  /** Reads what comes after the last row, while it is not attached. */
  loadNewer() {
    if (this.attached || this.newer === null || this.#loadingNewer || !this.loaded) return;
    // What arrives from here on is heard, or nothing arrives.
    if (!this.#joined && !this.#where.until) return;
    this.#loadingNewer = true;
    const { signal } = this.#abort;
    // Until it has succeeded: who asks meanwhile would have the same rows twice.
    this.#attempt(() => this.#readNewer()).finally(() => {
      if (signal.aborted) return;
      this.#loadingNewer = false;
      this.#pending = null;
    });
  }

  async #readNewer() {
    // What is written before the request is in its answer; what comes in meanwhile may be in both.
    this.#pending = [];
    const after = /** @type {string} */ (this.newer);
    const { until } = this.#where;
    const where = { after, limit: String(PAGE), ...(until ? { until } : {}) };
    const next = await page(this.#filter, /** @type {Record<string, string>} */ (where), this.#abort.signal);
    // The last rows went meanwhile: these do not come next to what is here.
    if (this.newer !== after) return this.tell.changed("below");
    this.#cuts.push({ number: this.rows.end, cursor: after });
    this.#note(next.rows);
    this.#append(next.rows);
    this.newer = next.end;
    const all = next.records < PAGE;
    if (all && until) this.newer = null;
    else if (all) this.#attach();
    this.tell.changed("below");
    this.tell.state();
  }

  /** The end of the pages is the present end: from here on rows are appended as they arrive. */
  #attach() {
    const rows = this.#pending ?? [];
    this.#cuts.push({ number: this.rows.end, cursor: /** @type {string} */ (this.newer) });
    this.#pending = null;
    this.attached = true;
    this.newer = null;
    this.#liveFrom = this.rows.end;
    this.waiting = { lines: 0, bytes: 0 };
    this.#append(rows.filter((row) => !this.#had.has(ownPosition(row.id))));
  }

  /** @param {Row[]} rows */
  #take(rows) {
    const fresh = this.#had.size > 0 ? rows.filter((row) => !this.#had.has(ownPosition(row.id))) : rows;
    this.#pending?.push(...fresh);
    if (this.attached) this.#append(fresh);
    else this.#count(fresh);
    this.tell.changed("below");
  }

  /** @param {Row[]} rows */
  #count(rows) {
    this.waiting.lines += rows.length;
    this.waiting.bytes += rows.reduce((bytes, row) => bytes + row.line.length + 1, 0);
  }

  /** @param {Row[]} rows */
  #append(rows) {
    const over = this.rows.size + rows.length - ROWS_MAX;
    if (over > 0 && !this.#makeRoomAbove(over)) {
      this.#fallBehind();
      this.#count(rows);
    } else this.rows.append(rows);
  }

  /** Rows that arrive do not come into the ring any more: they are read again when the reader comes to them. */
  #fallBehind() {
    if (!this.attached) return;
    const last = this.rows.get(this.rows.end - 1);
    this.#detach();
    this.newer = last?.id || this.#cuts.at(-1)?.cursor || null;
    this.tell.state();
    this.tell.changed("below");
  }

  /** Pages come behind the rows that arrived, and those may still go a few at a time. */
  #detach() {
    for (let number = Math.max(this.#liveFrom, this.rows.first) + PAGE; number < this.rows.end; number += PAGE) {
      const cursor = this.rows.get(number - 1)?.id;
      if (cursor) this.#cuts.push({ number, cursor });
    }
    this.attached = false;
    this.#liveFrom = Infinity;
  }

  /** @param {number} over @returns {boolean} whether so many rows could go */
  #makeRoomAbove(over) {
    const least = this.rows.first + over;
    const exact = least > this.#liveFrom ? this.rows.get(least - 1)?.id : "";
    const cut = exact ? { number: least, cursor: exact } : this.#cuts.find((cut) => cut.number >= least);
    const keep = this.tell.keep();
    if (!cut || (keep && cut.number > keep[0])) return false;
    this.rows.dropBefore(cut.number);
    this.#cuts = this.#cuts.filter(({ number }) => number >= cut.number);
    this.older = cut.cursor;
    return true;
  }

  /** @param {number} over */
  #makeRoomBelow(over) {
    const most = this.rows.end - over;
    const exact = most > this.#liveFrom ? this.rows.get(most - 1)?.id : "";
    const cut = exact ? { number: most, cursor: exact } : this.#cuts.findLast((cut) => cut.number <= most);
    if (!cut) return;
    for (let number = cut.number; number < this.rows.end; number++) this.#count([/** @type {Row} */ (this.rows.get(number))]);
    this.rows.dropFrom(cut.number);
    this.#detach();
    this.#cuts = this.#cuts.filter(({ number }) => number < cut.number);
    this.newer = cut.cursor;
  }

  /**
   * Does something that may fail; tries again after a while unless it is refused.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T | undefined>}
   */
  async #attempt(work, signal = this.#abort.signal) {
    for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 8000)) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused) {
          this.refused = error.message;
          this.state = { kind: "refused", why: error.message };
          this.searching = 0;
          this.tell.state();
          return;
        }
        // The stream says how long it waits for an agent that is away.
        this.#join();
        await new Promise((done) => setTimeout(done, wait));
      }
    }
  }
}

/**
 * How many bytes of the logs that a cursor names are before it, and how many behind it; of a compressed file those on the
 * disk count. NaN where it is in a file that is not known.
 * @param {any[]} logs as `/logs` tells of them
 * @param {string} cursor
 * @returns {[before: number, behind: number]}
 */
export function bytesAround(logs, cursor) {
  const positions = cursor.split("~").map((position) => ownPosition(position).split(".")).filter((parts) => parts.length === 5);
  let [before, behind] = [0, 0];
  for (const { head, generations } of logs) {
    const own = positions.filter(([source]) => source === String(head).split(".")[0]);
    if (own.length === 0) continue;
    let reached = generations.length === 0;
    // The newest comes last. What is older than one that a position is in was had.
    for (const { hint, first, last, size } of generations.toReversed()) {
      const length = Math.max(0, (last ?? first + (size ?? 0)) - first);
      const at = own.find((position) => position[4] === hint);
      const had = at ? Math.min(length, Math.max(0, Number(at[2]) - first)) : reached ? length : 0;
      reached ||= at !== undefined;
      before += had;
      behind += length - had;
    }
    if (!reached) before = NaN;
  }
  return [before, behind];
}
