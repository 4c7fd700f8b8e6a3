// Parses `text/event-stream` as it arrives, by all the rules of the HTML standard. Never waits, never fetches.

/** @typedef {{id: string, event: string, data: string}} SseEvent one event; `event` is `message` where it has no name */

/** Takes decoded text, cut anywhere, and hands out the events in it. */
export class SseParser {
  #rest = "";
  #event = "";
  /** @type {string[]} */
  #data = [];
  #begun = false;
  /** What a reconnect must send as `Last-Event-ID`. */
  lastEventId = "";
  /** What the server asks to wait before that, in milliseconds. @type {number | null} */
  retry = null;

  /**
   * @param {string} chunk
   * @param {(event: SseEvent) => void} emit
   */
  push(chunk, emit) {
    const text = this.#begun || chunk.charCodeAt(0) !== 0xfeff ? this.#rest + chunk : chunk.slice(1);
    this.#begun ||= chunk !== "";
    this.#rest = text.includes("\r") ? this.#split(text, emit) : this.#splitLf(text, emit);
  }

  /** The lines of a text without CR; what is left. @param {string} text @param {(event: SseEvent) => void} emit */
  #splitLf(text, emit) {
    let from = 0;
    for (let to; (to = text.indexOf("\n", from)) >= 0; from = to + 1) this.#line(text.slice(from, to), emit);
    return text.slice(from);
  }

  /** @param {string} text @param {(event: SseEvent) => void} emit */
  #split(text, emit) {
    let from = 0;
    for (const end of text.matchAll(/\r\n|\n|\r(?!$)/g)) {
      this.#line(text.slice(from, end.index), emit);
      from = end.index + end[0].length;
    }
    return text.slice(from);
  }

  /** @param {string} line @param {(event: SseEvent) => void} emit */
  #line(line, emit) {
    if (line === "") return this.#dispatch(emit);
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.lastEventId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  /** @param {(event: SseEvent) => void} emit */
  #dispatch(emit) {
    const data = this.#data;
    const event = this.#event || "message";
    this.#event = "";
    if (data.length === 0) return;
    this.#data = [];
    emit({ id: this.lastEventId, event, data: data.length === 1 ? data[0] : data.join("\n") });
  }
}
