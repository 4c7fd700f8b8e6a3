// One stream that is read for as long as somebody wants it: by fetch, since EventSource takes a tenth of the events and
// hides why it failed. Goes on after the last id by itself; waits longer each time it fails.
//
//   held: one answer that never ends.
//   by turns: every second what came meanwhile, in an answer that ends. Records and gaps are the same.

import { SERVER_EVENTS, rowOfNotice, rowOfRecord } from "./row.js";
import { SseParser } from "./sse.js";

/** @typedef {import("./row.js").Row} Row */
/**
 * @typedef {{kind: "connecting"} | {kind: "past"} | {kind: "history", cursor: string} | {kind: "live"} | {kind: "busy", until: number}
 *   | {kind: "waiting", until: number, failures: number} | {kind: "refused", why: string}} State
 *   `past` is what ends at a time, and has no stream; `until` is a time in milliseconds since 1970
 */
/**
 * @typedef {object} Listener
 * @property {(rows: Row[]) => void} rows
 * @property {(state: State) => void} state
 * @property {(cursor: string) => void} present the stream stands at this id, and nothing is written behind it
 */

const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 30_000;
/** Without a byte for so long a connection counts as dead: a heartbeat comes every 15 s. */
const DEAD_MS = 50_000;
/** The same before its first byte, and in a turn: a server answers within a second, and says so if it searches for longer. */
const CONNECT_MS = 15_000;
/** A clock that jumps so far means that the machine slept. */
const SLEPT_MS = 10_000;
/** By turns it is asked so often, for so many records, and for no longer than this at a time. */
const ROUND_MS = 1000;
const TURN_RECORDS = 10_000;
const TURN_MS = 2000;
/** Why an answer is ended that may go on another time. */
const YIELDS = "yields";
/** Rows are handed on so often, and not more at a time. */
const FLUSH_MS = 40;
const FLUSH_ROWS = 1000;

/**
 * How long to wait before the next attempt.
 * @param {number} failures so far, at least 1
 * @param {number} retry what the server asked for
 * @param {number} random from 0 to 1
 */
export function backoff(failures, retry, random) {
  const ceiling = Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, retry) * 2 ** Math.min(failures - 1, 10));
  return Math.round(ceiling * (0.5 + random / 2));
}

/**
 * Whether asking the same again can't help.
 * @param {number} status
 */
export function isFinal(status) {
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
}

/** Why there is nothing to be read without a token. */
export const LOGGED_OUT = "You are not logged in.";

/** @param {Response} answer @returns {Promise<string>} why it is no stream, in a sentence */
export async function refusal(answer) {
  if (answer.status === 401) return LOGGED_OUT;
  try {
    const problem = await answer.json();
    return String(problem.detail || problem.title);
  } catch {
    return `The server answers ${answer.status}.`;
  }
}

/** Lets one after the other, in the order in which they come. */
export class Turns {
  #last = Promise.resolve();

  /** @returns {Promise<() => void>} to be called when the turn is over */
  take() {
    const before = this.#last;
    let over = () => {};
    this.#last = new Promise((done) => (over = done));
    return before.then(() => over);
  }
}

export class Connection {
  #lastId = "";
  #held = true;
  #retry = 1000;
  #failures = 0;
  #closed = false;
  #asleepSince = Date.now();
  #lastByte = Date.now();
  /** @type {Row[]} */
  #rows = [];
  #flushing = 0;
  /** Ends the connection, or the wait for the next. */
  #interrupt = new AbortController();
  /** @type {State} */
  state = { kind: "connecting" };
  /** Whether what comes next is what is written next. */
  isPresent = false;

  /** @param {string} url @param {Listener} tell @param {Turns} [turns] of those that are not held */
  constructor(url, tell, turns = new Turns()) {
    this.url = url;
    this.tell = tell;
    this.turns = turns;
    this.watch = setInterval(() => this.#watch(), 1000);
    // Whether it is held is said at once.
    Promise.resolve().then(() => this.#run());
  }

  /** @param {boolean} held whether one answer goes on for ever, or it has a turn now and then */
  hold(held) {
    if (held === this.#held) return;
    this.#held = held;
    if (!("until" in this.state)) this.#interrupt.abort(YIELDS);
  }

  /** The id of the last event, handed on or not; empty before the first. */
  get cursor() {
    return this.#lastId;
  }

  close() {
    this.#closed = true;
    clearInterval(this.watch);
    clearTimeout(this.#flushing);
    this.#interrupt.abort();
  }

  /** Tries again now, if it waits. */
  hurry() {
    if (this.state.kind === "waiting" || this.state.kind === "busy") this.#interrupt.abort();
  }

  /** Hands on what has come. */
  flush() {
    clearTimeout(this.#flushing);
    this.#flushing = 0;
    const rows = this.#rows;
    this.#rows = [];
    for (let at = 0; at < rows.length; at += FLUSH_ROWS) this.tell.rows(rows.slice(at, at + FLUSH_ROWS));
  }

  async #run() {
    while (!this.#closed) {
      const held = this.#held;
      const over = held ? () => {} : await this.turns.take();
      const { signal } = (this.#interrupt = new AbortController());
      /** @type {State | null} */
      let next = null;
      try {
        if (this.#closed || held !== this.#held) continue;
        if (!this.#reads) this.#set({ kind: "connecting" });
        next = await this.#read(held);
      } catch {
        // Cut, refused or silent: all the same.
      } finally {
        over();
        this.isPresent = false;
      }
      this.flush();
      if (this.#closed) return;
      if (next?.kind === "refused") return this.#set(next);
      if (next?.kind === "live" || next?.kind === "history") await this.#hadTurn(next);
      else if (signal.reason !== YIELDS) await this.#wait(next);
    }
  }

  get #reads() {
    return this.state.kind === "live" || this.state.kind === "history";
  }

  /** @param {State} next whether that was all */
  async #hadTurn(next) {
    this.#failures = 0;
    if (next.kind !== this.state.kind) this.#set(next);
    if (next.kind !== "live") return;
    this.tell.present(this.#lastId);
    await this.#pause(ROUND_MS);
  }

  /** @param {State | null} next */
  #wait(next) {
    this.#failures++;
    const wait = next?.kind === "busy" ? this.#retry : backoff(this.#failures, this.#retry, Math.random());
    const until = Date.now() + wait;
    this.#set(next?.kind === "busy" ? { kind: "busy", until } : { kind: "waiting", until, failures: this.#failures });
    return this.#pause(wait);
  }

  /** @param {number} ms unless something ends it */
  async #pause(ms) {
    this.#interrupt = new AbortController();
    await new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.#interrupt.signal.addEventListener("abort", () => [clearTimeout(timer), done(null)]);
    });
  }

  /** Reads one answer to its end. @param {boolean} held @returns {Promise<State | null>} what to do next, if it says so; after a turn, whether that was all */
  async #read(held) {
    const began = (this.#lastByte = Date.now());
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    const url = held ? this.url : `${this.url}&follow=false&limit=${TURN_RECORDS}`;
    const answer = await fetch(url, { headers, cache: "no-store", signal: this.#interrupt.signal });
    if (isFinal(answer.status)) return { kind: "refused", why: await refusal(answer) };
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const resumed = this.#lastId !== "";
    const parser = new SseParser();
    parser.lastEventId = this.#lastId;
    const decoder = new TextDecoder();
    let records = 0;
    /** @type {State | null} */
    let next = null;
    // Where nothing came meanwhile the answer has no body.
    const reader = answer.body?.getReader();
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      this.#lastByte = Date.now();
      parser.push(decoder.decode(part.value, { stream: true }), (event) => {
        if (event.event === "busy") next = { kind: "busy", until: 0 };
        if (!SERVER_EVENTS.has(event.event)) records++;
        this.#take(event, resumed);
      });
      this.#retry = parser.retry ?? this.#retry;
      if (held || this.#lastByte - began < TURN_MS) continue;
      this.#interrupt.abort(YIELDS);
      records = TURN_RECORDS;
      break;
    }
    if (held || next) return next;
    return records < TURN_RECORDS ? { kind: "live" } : { kind: "history", cursor: this.#lastId };
  }

  /** @param {import("./sse.js").SseEvent} event @param {boolean} resumed */
  #take(event, resumed) {
    this.#lastId = event.id || this.#lastId;
    if (!SERVER_EVENTS.has(event.event)) this.#rows.push(rowOfRecord(event.data, event.id));
    else if (event.event === "hello") {
      this.#failures = 0;
      this.flush();
      if (!resumed) this.#arrive();
      if (!this.#reads) this.#set(resumed ? { kind: "history", cursor: event.id } : { kind: "live" });
    } else if (event.event === "live") {
      this.#set({ kind: "live" });
      this.#arrive();
    } else if (event.event === "pos") {
      // Where nothing matches only this tells how far it is.
      if (this.state.kind === "history") this.#set({ kind: "history", cursor: event.id });
    } else if (event.event !== "busy") {
      const row = rowOfNotice(event.event, event.data, event.id);
      if (row) this.#rows.push(row);
    }
    if (this.#rows.length >= FLUSH_ROWS) this.flush();
    else if (this.#rows.length > 0) this.#flushing ||= /** @type {any} */ (setTimeout(() => this.flush(), FLUSH_MS));
  }

  #arrive() {
    this.isPresent = true;
    this.tell.present(this.#lastId);
  }

  /** Notices a dead connection, and that the machine slept: what was open then is as good as dead. */
  #watch() {
    const now = Date.now();
    const slept = now - this.#asleepSince > SLEPT_MS;
    this.#asleepSince = now;
    const reading = this.#reads || this.state.kind === "connecting";
    const patience = this.#held && this.state.kind !== "connecting" ? DEAD_MS : CONNECT_MS;
    if (reading && now - this.#lastByte > patience) this.#interrupt.abort();
    else if (slept && !reading) this.hurry();
    else if (slept && now - this.#lastByte > SLEPT_MS) this.#interrupt.abort();
  }

  /** @param {State} state */
  #set(state) {
    this.flush();
    this.state = state;
    this.tell.state(state);
  }
}
