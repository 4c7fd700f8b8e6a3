// One stream that is read for as long as somebody wants it: by fetch, since EventSource takes a tenth of the events and
// hides why it failed. Goes on after the last id by itself; waits longer each time it fails.

import { SERVER_EVENTS, rowOfNotice, rowOfRecord } from "./row.js";
import { SseParser } from "./sse.js";

/** @typedef {import("./row.js").Row} Row */
/**
 * @typedef {{kind: "connecting"} | {kind: "history", cursor: string} | {kind: "live"} | {kind: "busy", until: number}
 *   | {kind: "waiting", until: number, failures: number} | {kind: "refused", why: string}} State
 *   `until` is a time in milliseconds since 1970
 */
/**
 * @typedef {object} Listener
 * @property {(rows: Row[]) => void} rows
 * @property {(state: State) => void} state
 * @property {(cursor: string, resumed: boolean) => void} hello the stream stands at this id
 */

const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 30_000;
/** Without a byte for so long a connection counts as dead: a heartbeat comes every 15 s. */
const DEAD_MS = 50_000;
/** The same before its first byte: a server answers within a second, and says so if it searches for longer. */
const CONNECT_MS = 15_000;
/** A clock that jumps so far means that the machine slept. */
const SLEPT_MS = 10_000;
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

export class Connection {
  #lastId = "";
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

  /** @param {string} url @param {Listener} tell */
  constructor(url, tell) {
    this.url = url;
    this.tell = tell;
    this.watch = setInterval(() => this.#watch(), 1000);
    this.#run();
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
      this.#interrupt = new AbortController();
      this.#set({ kind: "connecting" });
      /** @type {State | null} */
      let next = null;
      try {
        next = await this.#read();
      } catch {
        // Cut, refused or silent: all the same.
      }
      this.flush();
      if (this.#closed) return;
      if (next?.kind === "refused") return this.#set(next);
      await this.#wait(next);
    }
  }

  /** @param {State | null} next */
  async #wait(next) {
    this.#failures++;
    const wait = next?.kind === "busy" ? this.#retry : backoff(this.#failures, this.#retry, Math.random());
    this.#interrupt = new AbortController();
    const until = Date.now() + wait;
    this.#set(next?.kind === "busy" ? { kind: "busy", until } : { kind: "waiting", until, failures: this.#failures });
    await new Promise((done) => {
      const timer = setTimeout(done, wait);
      this.#interrupt.signal.addEventListener("abort", () => [clearTimeout(timer), done(null)]);
    });
  }

  /** Reads one answer to its end. @returns {Promise<State | null>} what to do next, if it says so */
  async #read() {
    this.#lastByte = Date.now();
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    const answer = await fetch(this.url, { headers, cache: "no-store", signal: this.#interrupt.signal });
    if (isFinal(answer.status)) return { kind: "refused", why: await refusal(answer) };
    if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
    const resumed = this.#lastId !== "";
    const parser = new SseParser();
    parser.lastEventId = this.#lastId;
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    /** @type {State | null} */
    let next = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return next;
      this.#lastByte = Date.now();
      parser.push(decoder.decode(value, { stream: true }), (event) => {
        if (event.event === "busy") next = { kind: "busy", until: 0 };
        this.#take(event, resumed);
      });
      this.#retry = parser.retry ?? this.#retry;
    }
  }

  /** @param {import("./sse.js").SseEvent} event @param {boolean} resumed */
  #take(event, resumed) {
    this.#lastId = event.id || this.#lastId;
    if (!SERVER_EVENTS.has(event.event)) this.#rows.push(rowOfRecord(event.data, event.id));
    else if (event.event === "hello") {
      this.#failures = 0;
      this.flush();
      this.tell.hello(event.id, resumed);
      this.#set(resumed ? { kind: "history", cursor: event.id } : { kind: "live" });
    } else if (event.event === "live") this.#set({ kind: "live" });
    else if (event.event === "pos") {
      // Where nothing matches only this tells how far it is.
      if (this.state.kind === "history") this.#set({ kind: "history", cursor: event.id });
    } else if (event.event !== "busy") {
      const row = rowOfNotice(event.event, event.data, event.id);
      if (row) this.#rows.push(row);
    }
    if (this.#rows.length >= FLUSH_ROWS) this.flush();
    else if (this.#rows.length > 0) this.#flushing ||= /** @type {any} */ (setTimeout(() => this.flush(), FLUSH_MS));
  }

  /** Notices a dead connection, and that the machine slept: what was open then is as good as dead. */
  #watch() {
    const now = Date.now();
    const slept = now - this.#asleepSince > SLEPT_MS;
    this.#asleepSince = now;
    const reading = this.state.kind === "live" || this.state.kind === "history" || this.state.kind === "connecting";
    const patience = this.state.kind === "connecting" ? CONNECT_MS : DEAD_MS;
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
