// @ts-check
// The page: shows the stream of `events` line by line and says in words what state it is in. It keeps nothing but
// the rows it shows, sends nothing but requests for the stream, and never treats a log's text as anything but text.

/** Rows in the document; older ones leave it. */
const ROWS_MAX = 5000;
/** Rows held back while paused: so few that the rows in front of the reader stay when these enter. */
const WAITING_MAX = 2500;
/** Records asked for at the start. */
const TAIL = 200;
/** How often a hidden tab, which has no animation frames, takes in what arrived. */
const HIDDEN_TAB_MS = 250;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 30000;

/** @typedef {{log: string, match: string}} Filter what to show; an empty string stands for everything */
/** @typedef {{log?: string, line?: string, event?: string, truncated?: unknown}} LogRecord */
/** @typedef {{reason?: string, log?: string, file?: string, certain?: boolean, lost_bytes?: number, may_repeat?: boolean}} Gap */
/** @typedef {{id: string, record?: LogRecord, gap?: string}} Row one row: a record, or a gap told in words */
/** @typedef {"connecting" | "live" | "waiting" | "refused"} StateKind */

// ---- words ----

/** @type {Record<string, string>} */
const REASONS = {
  gone: "the file that held them is no longer there",
  truncated: "the file was cut short while they were in it",
  rewritten: "the file now holds something else where they were",
  ambiguous: "it is not clear which file they were in",
  unreadable: "the file can't be read",
  overrun: "this page was too far behind, and the file was deleted meanwhile",
  "bad-id": "the position to go on from is not a valid one",
  "unknown-log": "the position to go on from belongs to a log that this server does not have",
  budget: "a limit ended the search for them",
};

/** @param {Gap} gap @returns {string} */
export function gapInWords(gap) {
  const where = gap.log ? ` in ${gap.log}` : "";
  const what = gap.certain ? "Lines are missing here" : "Lines may be missing here";
  const why = REASONS[gap.reason ?? ""] ?? gap.reason ?? "the server does not say why";
  const file = gap.file ? ` (${gap.file})` : "";
  const size = typeof gap.lost_bytes === "number" ? ` Missing: ${bytesInWords(gap.lost_bytes)}.` : "";
  const repeat = gap.may_repeat ? " Some of the lines below may have been shown before." : "";
  return `${what}${where}: ${why}${file}.${size}${repeat}`;
}

/** @param {number} bytes @returns {string} */
export function bytesInWords(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4);
  return `${(bytes / 1024 ** power).toFixed(1)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}`;
}

/** @param {number} count @returns {string} */
const linesInWords = (count) => (count === 1 ? "1 new line" : `${count.toLocaleString("en")} new lines`);

// ---- addresses ----

/** @returns {Filter} */
function filterOfPage() {
  const query = new URLSearchParams(location.search);
  return { log: query.get("log") ?? "", match: query.get("match") ?? "" };
}

/** @param {URL} url @param {Filter} filter @returns {URL} the same, asking for what the filter lets through */
function withFilter(url, filter) {
  for (const name of /** @type {const} */ (["log", "match"])) {
    if (filter[name]) url.searchParams.set(name, filter[name]);
    else url.searchParams.delete(name);
  }
  return url;
}

/** @param {Filter} filter @param {string} after the last id had, if any @returns {URL} */
function streamUrl(filter, after) {
  const url = new URL("events", document.baseURI);
  url.search = "";
  url.searchParams.set("data", "json");
  if (after) url.searchParams.set("after", after);
  else url.searchParams.set("tail", String(TAIL));
  return withFilter(url, filter);
}

// ---- the list of rows ----

const LEVEL = /\b(?:(FATAL|PANIC|CRITICAL|ERROR)|(WARN(?:ING)?))\b|"?\blevel"?[:=] ?"?(?:(fatal|panic|critical|error)|(warn(?:ing)?))\b/;
/** Where a level word is looked for: a level stands near the beginning of its line. */
const LEVEL_WITHIN = 200;

/** @param {string} tag @param {string} className @param {string} text @returns {HTMLElement} */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** @param {string} line @returns {(string | Node)[]} the line with its level word marked */
function marked(line) {
  const found = LEVEL.exec(line.slice(0, LEVEL_WITHIN));
  if (!found) return [line];
  const word = found[1] ?? found[2] ?? found[3] ?? found[4] ?? "";
  const end = found.index + found[0].length;
  const level = found[1] ?? found[3] ? "error" : "warn";
  return [line.slice(0, end - word.length), element("span", level, word), line.slice(end)];
}

/** @param {Row} row @returns {HTMLElement} */
function elementOf(row) {
  const made = element("div", row.record ? "row" : "row gap", "");
  made.dataset.id = row.id;
  const text = element("span", "text", row.gap ?? "");
  if (row.record) {
    const { log = "", line = "", event, truncated } = row.record;
    if (event) text.append(element("span", "event", event));
    text.append(...marked(line));
    if (truncated) text.append(element("span", "cut", "cut: the line is longer"));
    made.append(element("span", "log", log), " ");
  }
  made.append(text);
  return made;
}

/**
 * The rows on the page. They follow the end of the log until the reader scrolls up; from then on nothing moves:
 * new rows wait, and enter the document when the reader comes to its end or asks for it.
 */
class Rows {
  /** Rows that arrived since the last frame. @type {Row[]} */
  #arrived = [];
  /** Rows held back while paused. @type {Row[]} */
  #waiting = [];
  /** Rows that would have waited, had there been room. */
  #dropped = 0;
  #shown = 0;
  #following = true;
  /** Where the list was scrolled to when last looked at. */
  #top = 0;
  /** Ends the scheduled flush, if there is one. @type {(() => void) | undefined} */
  #unschedule;

  /**
   * @param {HTMLElement} list the scrolling element
   * @param {HTMLElement} older the note, in the list, that older rows have left it
   * @param {HTMLButtonElement} button the way back to the end
   */
  constructor(list, older, button) {
    this.list = list;
    this.older = older;
    this.button = button;
    older.textContent = `Older lines have left this page: it keeps the last ${ROWS_MAX.toLocaleString("en")}.`;
    list.addEventListener("scroll", () => this.#scrolled());
    button.addEventListener("click", () => this.goLive());
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(list);
    document.addEventListener("visibilitychange", () => this.#unschedule && this.#schedule());
  }

  get empty() {
    return this.#shown + this.#waiting.length + this.#arrived.length === 0;
  }

  /** @param {Row} row */
  add(row) {
    this.#arrived.push(row);
    if (this.#arrived.length > ROWS_MAX) this.#flush();
    else if (!this.#unschedule) this.#schedule();
  }

  clear() {
    this.#arrived = [];
    this.#waiting = [];
    this.#dropped = 0;
    this.list.querySelectorAll(".row").forEach((row) => row.remove());
    this.#shown = 0;
    this.older.hidden = true;
    this.#following = true;
    this.#showButton();
  }

  /** Shows what waits and follows the end again. */
  goLive() {
    this.#following = true;
    this.#flush();
    this.#enter(this.#takeWaiting());
    this.#toEnd();
    this.#showButton();
    this.list.focus({ preventScroll: true });
  }

  #schedule() {
    this.#unschedule?.();
    const flush = () => this.#flush();
    if (document.hidden) {
      const timer = setTimeout(flush, HIDDEN_TAB_MS);
      this.#unschedule = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(flush);
      this.#unschedule = () => cancelAnimationFrame(frame);
    }
  }

  #flush() {
    this.#unschedule?.();
    this.#unschedule = undefined;
    const rows = this.#arrived;
    this.#arrived = [];
    if (this.#following) {
      this.#enter(rows);
      this.#toEnd();
    } else {
      this.#waiting.push(...rows);
      this.#dropped += this.#waiting.splice(0, Math.max(0, this.#waiting.length - WAITING_MAX)).length;
      this.#showButton();
    }
  }

  #takeWaiting() {
    const rows = this.#waiting;
    if (this.#dropped > 0) {
      const [count, kept] = [this.#dropped, WAITING_MAX].map((number) => number.toLocaleString("en"));
      rows.unshift({ id: "", gap: `Left out here: ${count} lines. A paused page holds back only the last ${kept}.` });
    }
    this.#waiting = [];
    this.#dropped = 0;
    return rows;
  }

  /** Appends rows, and takes as many from the top as are too many. @param {Row[]} rows */
  #enter(rows) {
    const kept = rows.slice(-ROWS_MAX);
    const surplus = Math.max(0, this.#shown + kept.length - ROWS_MAX);
    for (let i = 0; i < surplus; i++) this.older.nextElementSibling?.remove();
    if (surplus > 0 || kept.length < rows.length) this.older.hidden = false;
    this.list.append(...kept.map(elementOf));
    this.#shown += kept.length - surplus;
  }

  #toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.#top = this.list.scrollTop;
  }

  /** Only the reader scrolls up; away from the end without that, the rows have grown (a narrower window). */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    const up = scrollTop < this.#top;
    this.#top = scrollTop;
    if (atEnd && this.#waiting.length > 0) this.#readOn();
    else if (atEnd) this.#following = true;
    else if (up) this.#following = false;
    else if (this.#following) this.#toEnd();
    this.#showButton();
  }

  /** Appends what waits below the reader's last row, which stays where it is on the screen. */
  #readOn() {
    const last = this.list.lastElementChild;
    const top = last?.getBoundingClientRect().top ?? 0;
    this.#enter(this.#takeWaiting());
    if (last?.isConnected) this.list.scrollTop += last.getBoundingClientRect().top - top;
  }

  #showButton() {
    const count = this.#waiting.length + this.#dropped;
    this.button.hidden = this.#following;
    this.button.textContent = count > 0 ? `${linesInWords(count)}: go to live` : "Go to live";
  }
}

// ---- the stream ----

/**
 * One stream at a time. An EventSource reconnects by itself as long as it can; when it has given up, a new one goes
 * on after the last id, unless the server refused the request as such.
 */
class Stream {
  /** @type {EventSource | undefined} */
  #source;
  /** @type {Filter} */
  #filter = { log: "", match: "" };
  /** Names that rules give to records. @type {Set<string>} */
  #names = new Set();
  #lastId = "";
  #failures = 0;
  #timer = 0;

  /**
   * @param {{
   *   row: (row: Row) => void,
   *   hello: () => void,
   *   state: (kind: StateKind, words: string) => void,
   *   refused: (why: string) => void,
   * }} tell
   */
  constructor(tell) {
    this.tell = tell;
  }

  /** Starts anew with another filter. @param {Filter} filter */
  open(filter) {
    this.#filter = filter;
    this.#lastId = "";
    this.#failures = 0;
    this.#connect();
  }

  /** Also takes events of these names. @param {string[]} names */
  listenTo(names) {
    for (const name of names.filter((name) => !this.#names.has(name))) {
      this.#names.add(name);
      if (this.#source) this.#listen(this.#source, name);
    }
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const url = streamUrl(this.#filter, this.#lastId);
    const source = new EventSource(url);
    this.#source = source;
    let busy = false;
    this.tell.state("connecting", "Connecting");
    this.#on(source, "hello", () => {
      busy = false;
      this.#failures = 0;
      this.tell.state("live", "Live");
      this.tell.hello();
    });
    this.#on(source, "gap", (event) => this.tell.row({ id: event.lastEventId, gap: gapInWords(parsed(event.data) ?? {}) }));
    this.#on(source, "pos", () => {});
    this.#on(source, "busy", () => {
      busy = true;
      this.tell.state("waiting", "The server has no room for another reader. Waiting");
    });
    for (const name of new Set(["message", "error", ...this.#names])) this.#listen(source, name);
    source.addEventListener("error", (event) => {
      // A rule may name its records `error`: those are messages, this is about the connection.
      if (event instanceof MessageEvent || source !== this.#source) return;
      if (source.readyState === EventSource.CLOSED) this.#failed(source, url);
      else if (!busy) this.tell.state("waiting", "Not connected. Trying again");
    });
  }

  /** Calls `take` for events of this name, once the id is noted. @param {EventSource} source @param {string} name @param {(event: MessageEvent) => void} take */
  #on(source, name, take) {
    source.addEventListener(name, (event) => {
      if (!(event instanceof MessageEvent) || source !== this.#source) return;
      if (event.lastEventId) this.#lastId = event.lastEventId;
      take(event);
    });
  }

  /** @param {EventSource} source @param {string} name */
  #listen(source, name) {
    this.#on(source, name, ({ data, lastEventId }) => {
      this.tell.row({ id: lastEventId, record: parsed(data) ?? { line: data } });
    });
  }

  /** @param {EventSource} source @param {URL} url */
  async #failed(source, url) {
    this.tell.state("waiting", "Not connected");
    const why = await refusal(url);
    if (source !== this.#source) return;
    if (why) {
      this.tell.state("refused", "Request refused");
      this.tell.refused(why);
      return;
    }
    const ceiling = Math.min(RETRY_MS_MIN * 2 ** this.#failures++, RETRY_MS_MAX);
    const delay = ceiling * (0.5 + Math.random() / 2);
    this.tell.state("waiting", `Not connected. Trying again in ${Math.ceil(delay / 1000)} s`);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }
}

/** @param {string} data @returns {any} the JSON object, or undefined if it is none */
function parsed(data) {
  try {
    const value = JSON.parse(data);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * An EventSource does not say why it gave up, so the same is asked once more in a way that ends.
 * @param {URL} url
 * @returns {Promise<string>} why the server refuses this request for good; empty if it does not
 */
async function refusal(url) {
  const leave = new AbortController();
  const timer = setTimeout(() => leave.abort(), 5000);
  try {
    const answer = await fetch(`${url}&follow=false&limit=0`, { signal: leave.signal, cache: "no-store" });
    const isProblem = answer.headers.get("content-type")?.includes("problem+json") ?? false;
    if (!isProblem || answer.status < 400 || answer.status >= 500 || answer.status === 429) return "";
    const problem = await answer.json();
    return String(problem.detail || problem.title || `The server answers ${answer.status}.`);
  } catch {
    return "";
  } finally {
    clearTimeout(timer);
    leave.abort();
  }
}

/** @returns {Promise<{logs: string[], events: string[]}>} the names in use; empty where the server does not tell */
async function namesInUse() {
  try {
    const answer = await fetch(new URL("logs", document.baseURI), { cache: "no-store", signal: AbortSignal.timeout(3000) });
    const { logs, events } = await answer.json();
    const texts = (/** @type {unknown} */ list) => (Array.isArray(list) ? list.filter((item) => typeof item === "string") : []);
    return { logs: texts(Array.isArray(logs) ? logs.map((log) => log?.name) : []), events: texts(events) };
  } catch {
    return { logs: [], events: [] };
  }
}

// ---- the page ----

/** @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T} */
function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

function start() {
  const state = byId("state", HTMLElement);
  const form = byId("filter", HTMLFormElement);
  const select = byId("log", HTMLSelectElement);
  const label = byId("log-label", HTMLElement);
  const match = byId("match", HTMLInputElement);
  const refused = byId("refusal", HTMLElement);
  const empty = byId("empty", HTMLElement);
  const list = byId("lines", HTMLElement);
  const rows = new Rows(list, byId("older", HTMLElement), byId("live", HTMLButtonElement));
  let filter = filterOfPage();
  let hellos = 0;

  const stream = new Stream({
    row(row) {
      empty.hidden = true;
      rows.add(row);
    },
    hello() {
      empty.hidden = !rows.empty;
      empty.textContent = filter.match ? "No line matches yet. New ones appear here." : "No line yet. New ones appear here.";
      if (hellos++ > 0) learnNames();
    },
    state(kind, words) {
      state.dataset.kind = kind;
      if (state.textContent !== words) state.textContent = words;
    },
    refused(why) {
      refused.textContent = why;
      match.setAttribute("aria-invalid", "true");
    },
  });

  async function learnNames() {
    const { logs, events } = await namesInUse();
    stream.listenTo(events);
    showLogs(logs);
  }

  /** @param {string[]} logs */
  function showLogs(logs) {
    const names = filter.log && !logs.includes(filter.log) ? [...logs, filter.log] : logs;
    select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
    select.value = filter.log;
    label.hidden = names.length < 2 && !filter.log;
    list.classList.toggle("one-log", names.length < 2 || filter.log !== "");
    const longest = Math.max(0, ...names.map((name) => name.length));
    list.style.setProperty("--log-width", `${Math.min(longest, 24)}ch`);
  }

  function show() {
    rows.clear();
    empty.hidden = true;
    refused.textContent = "";
    match.removeAttribute("aria-invalid");
    match.value = filter.match;
    select.value = filter.log;
    list.classList.toggle("one-log", select.options.length < 3 || filter.log !== "");
    stream.open(filter);
  }

  function apply() {
    if (match.value === filter.match && select.value === filter.log && !refused.textContent) return;
    filter = { log: select.value, match: match.value };
    history.pushState(null, "", withFilter(new URL(location.href), filter));
    show();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  select.addEventListener("change", apply);
  // The cross that empties the box.
  match.addEventListener("search", () => match.value || apply());
  addEventListener("popstate", () => {
    filter = filterOfPage();
    show();
  });
  document.title = `${location.host} · sidetail`;
  // The names come first: an event whose name nobody listens to would be lost on the page.
  learnNames().then(show);
}

start();
