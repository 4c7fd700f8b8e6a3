// Streams shared by those who want the same: tabs of one origin, in a SharedWorker. HTTP/1.1 gives a browser six
// connections to a server, so ten tabs must not take ten: those that want the same share one, and of different ones only
// some are held, the others take turns. Who does not keep up is told so, and held up nobody.

import { Connection, Turns } from "./connection.js";

/** @typedef {import("./row.js").Row} Row */
/** @typedef {import("./connection.js").State} State */
/**
 * What a hub says. `joined` says where the rows begin that come from now on, which is the present end; `overrun` that some were not sent, since too
 * many are on their way: they have to be fetched after the last one that came.
 * @typedef {{type: "joined", cursor: string} | {type: "rows", rows: Row[]} | {type: "state", state: State}
 *   | {type: "overrun"}} Said
 */
/** @typedef {{type: "lock", lock: string} | {type: "open", url: string, turn: number, shown: boolean} | {type: "shown", shown: boolean} | {type: "took", count: number} | {type: "skip"} | {type: "hurry"} | {type: "bye"}} Asked */
/** @typedef {{postMessage: (said: any) => void, onmessage: ((event: MessageEvent) => void) | null}} Port */
/** @typedef {{port: Port, stream: Shared | null, underway: number, overrun: boolean, joined: boolean, turn: number, shown: number}} Member `shown` is 0 while it is hidden, else when it was shown; `turn` tells what it asked for now from what it asked for before */

/** So many rows may be on their way to a tab that has not said that it took them. */
export const UNDERWAY_MAX = 60_000;

/** So many streams are held. One connection is for those that take turns, and two are for pages of history. */
export const HELD_MAX = 3;

export class Hub {
  /** @type {Set<Shared>} */
  #streams = new Set();
  #turns = new Turns();
  #shows = 0;

  /** @param {boolean} [alone] whether it is the hub of one tab: others have theirs, so it holds a stream only while it is shown */
  constructor(alone = false) {
    this.alone = alone;
  }

  /** Takes in a tab. @param {Port} port */
  join(port) {
    /** @type {Member} */
    const member = { port, stream: null, underway: 0, overrun: false, joined: false, turn: 0, shown: 0 };
    port.onmessage = ({ data }) => this.#asked(member, data);
  }

  /** @param {Member} member @param {Asked} asked */
  #asked(member, asked) {
    if (asked.type === "open") {
      this.#leave(member);
      member.turn = asked.turn;
      this.#show(member, asked.shown);
      this.#enter(member, asked.url);
    } else if (asked.type === "lock") this.#noticeEnd(member, asked.lock);
    else if (asked.type === "took") member.stream?.took(member, asked.count);
    else if (asked.type === "hurry") member.stream?.connection.hurry();
    else if (asked.type === "bye") this.#leave(member);
    else if (asked.type === "shown") this.#show(member, asked.shown);
    // Who comes now gets another stream; whoever reads on keeps the one that it has.
    else if (asked.type === "skip" && member.stream) member.stream.url = "";
  }

  /** @param {Member} member @param {boolean} shown */
  #show(member, shown) {
    member.shown = shown ? ++this.#shows : 0;
    if (shown) member.stream?.connection.hurry();
    this.#choose();
  }

  /** @param {Member} member @param {string} url */
  #enter(member, url) {
    const stream = [...this.#streams].find((stream) => stream.url === url && stream.connection.state.kind !== "refused") ?? new Shared(url, this.#turns);
    this.#streams.add(stream);
    stream.add(member);
    this.#choose();
  }

  /** @param {Member} member */
  #leave(member) {
    const { stream } = member;
    if (!stream?.remove(member)) return;
    this.#streams.delete(stream);
    this.#choose();
  }

  /** Which streams are held: those that were shown last. */
  #choose() {
    const streams = [...this.#streams].sort((one, other) => other.shown - one.shown);
    streams.forEach((stream, at) => stream.connection.hold(at < HELD_MAX && (!this.alone || stream.shown > 0)));
  }

  /** A tab that crashed says no good-bye, but loses its lock. @param {Member} member @param {string} lock */
  #noticeEnd(member, lock) {
    const locks = globalThis.navigator?.locks;
    if (lock && locks) locks.request(lock, () => this.#leave(member)).catch(() => {});
  }
}

/** One stream and those who read it. */
class Shared {
  /** @type {Set<Member>} */
  #members = new Set();

  /** @param {string} url @param {Turns} turns */
  constructor(url, turns) {
    this.url = url;
    this.connection = new Connection(url, {
      rows: (rows) => this.#members.forEach((member) => this.#send(member, rows)),
      state: (state) => this.#members.forEach((member) => tell(member, { type: "state", state })),
      present: (cursor) => this.#members.forEach((member) => this.#welcome(member, cursor)),
    }, turns);
  }

  /** When one of those who read it was shown last; 0 while all are hidden. */
  get shown() {
    return Math.max(...[...this.#members].map((member) => member.shown));
  }

  /** @param {Member} member */
  add(member) {
    // What has come belongs to those who were here.
    this.connection.flush();
    Object.assign(member, { stream: this, underway: 0, overrun: false, joined: false });
    this.#members.add(member);
    tell(member, { type: "state", state: this.connection.state });
    // What it has to catch up is older than what the tab reads meanwhile.
    if (this.connection.isPresent) this.#welcome(member, this.connection.cursor);
    else this.connection.hurry();
  }

  /** @param {Member} member @returns {boolean} whether nobody is left */
  remove(member) {
    this.#members.delete(member);
    member.stream = null;
    if (this.#members.size > 0) return false;
    this.connection.close();
    return true;
  }

  /** @param {Member} member @param {number} count */
  took(member, count) {
    member.underway = Math.max(0, member.underway - count);
    if (!member.overrun || member.underway > 0) return;
    member.overrun = false;
    tell(member, { type: "overrun" });
  }

  /** @param {Member} member @param {string} cursor */
  #welcome(member, cursor) {
    if (member.joined) return;
    member.joined = true;
    tell(member, { type: "joined", cursor });
  }

  /** @param {Member} member @param {Row[]} rows */
  #send(member, rows) {
    if (!member.joined || member.overrun) return;
    if (member.underway > UNDERWAY_MAX) {
      member.overrun = true;
      return;
    }
    member.underway += rows.length;
    tell(member, { type: "rows", rows });
  }
}

/** @param {Member} member @param {Said} said */
function tell(member, said) {
  member.port.postMessage({ ...said, turn: member.turn });
}
