// The page: puts the parts together. Keeps nothing but what is shown, sends nothing but requests for the logs, and never
// takes a log's text for anything but text.

import { curl, read, write } from "./address.js";
import { LOGGED_OUT } from "./connection.js";
import { Selecting } from "./copy.js";
import { finds, matcher, marks, parameters, parse, quoted, toggled, withField } from "./find.js";
import { countTimes, draw, rowAt, sum } from "./histogram.js";
import { recall, recallMarks, remember, rememberMarks } from "./keep.js";
import { KEYS, actionOf, keyName } from "./keys.js";
import { connect, here } from "./link.js";
import { List } from "./list.js";
import { Look, make } from "./look.js";
import { ERROR, ownPosition } from "./row.js";
import { Bar, emptyWords } from "./bar.js";
import { TIME_MODES, amount, clock, grouped, shown, size } from "./time.js";
import { View } from "./view.js";
import { work } from "./worker.js";

/** @typedef {import("./row.js").Row} Row */

/** @param {string} id @returns {any} */
const byId = (id) => globalThis.document?.getElementById(id);
const [lines, box, live, canvas] = [byId("lines"), byId("find"), byId("live"), byId("histogram")];
/** So long a frame is waited for. */
const FRAME_MS_MAX = 200;
const themes = ["system", "light", "dark", "contrast"];

class Ops {
  now = read(location.search);
  query = parse(this.now.find);
  /** @type {any[]} */
  logs = [];
  /** The row after the last that was in view. */
  seen = 0;
  /** How many of the rows are hits; NaN until they are counted. */
  hits = NaN;
  /** @type {import("./histogram.js").Buckets | null} */
  buckets = null;
  /** @type {[number, number] | null} */
  chosen = null;
  behind = 0;
  status = /** @type {any} */ (null);
  #jump = "";
  #lastCount = 0;
  bar = new Bar(document);

  constructor() {
    this.look = new Look((number) => this.view.rows.get(number), () => this.#columns());
    this.look.marked = recallMarks();
    this.view = new View({ connect, here }, (row, before) => this.look.lines(row, before), {
      changed: (how) => this.#changed(how),
      state: () => this.#state(),
      arrived: (rows) => this.bar.arrived(rows),
      painted: () => new Promise((done) => {
        // A hidden tab has no frames.
        requestAnimationFrame(() => setTimeout(done));
        setTimeout(done, FRAME_MS_MAX);
      }).then(() => void (this.status ?? this.learn())),
      keep: () => (this.list.following ? null : [this.list.from, this.list.to]),
    });
    this.rows = this.view.rows;
    this.list = new List(lines, byId("spacer"), byId("rows"), this.rows, {
      fill: (element, number, row) => this.look.fill(element, number, row),
      moved: () => this.#moved(),
      painted: () => this.#painted(),
    });
    this.selecting = new Selecting(lines, (number) => this.rows.get(number), () => this.list.pause());
  }

  /** Shows what the address says. */
  show() {
    const { find, highlight, embed, at } = this.now;
    this.query = parse(find);
    box.value = find;
    document.body.classList.toggle("embed", embed);
    byId("mode").setAttribute("aria-pressed", highlight);
    this.matches = this.query.terms.length > 0 ? matcher(this.query) : () => false;
    this.marks = marks(this.query);
    this.seen = this.behind = 0;
    this.hits = this.look.selected = NaN;
    this.#jump = at;
    this.list.following = !at;
    // Asked for first: how it will look is found out on its way.
    this.view.open(parameters(this.query, highlight), { at, since: this.query.since, until: this.query.until }, this.query.errors[0]);
    this.#names();
    this.#showLook();
  }

  /** Goes to another state of the page. @param {Partial<import("./address.js").Address>} change @param {boolean} [replace] */
  go(change, replace) {
    const before = write(this.now);
    this.now = { ...this.now, ...change };
    const after = write(this.now);
    if (after === before) return;
    history[replace ? "replaceState" : "pushState"](null, "", after || location.pathname);
    if (!replace) this.show();
  }

  /** @param {string} find */
  find(find) {
    this.go({ find: find.trim(), at: "" });
  }

  #showLook() {
    const { time, wrap } = this.now;
    Object.assign(this.look, { time, wrap, columns: 0 });
    document.body.classList.toggle("wrap", wrap);
    byId("wrap").setAttribute("aria-pressed", wrap);
    byId("time").textContent = { local: "Local time", utc: "UTC", relative: "Ago", delta: "Difference", off: "No times" }[time];
  }

  #columns() {
    const probe = byId("rows").appendChild(make("div", "row", "0".repeat(100)));
    probe.style.width = "max-content";
    const taken = (this.look.time === "off" ? 0 : 13) + (this.look.several ? 10 : 0) + 4;
    const columns = Math.max(20, Math.floor(lines.clientWidth / (probe.offsetWidth / 100)) - taken);
    probe.remove();
    return columns;
  }

  #names() {
    const asked = this.query.logs;
    const names = this.logs.map((log) => log.name);
    this.look.several = (asked.length === 0 ? names.length : asked.length) > 1 || asked.some((name) => name.includes("*"));
    const select = byId("log");
    const other = asked.length > 1 || (asked.length === 1 && !names.includes(asked[0])) ? [new Option(asked.join(", "), "?")] : [];
    select.replaceChildren(new Option(names.length > 1 ? `All ${names.length} logs` : "All logs", ""), ...other, ...names.map((name) => new Option(name)));
    select.value = asked.length === 0 ? "" : other.length ? "?" : asked[0];
    select.hidden = names.length < 2 && asked.length === 0;
  }

  /** Asks which logs there are. */
  async learn() {
    try {
      const answer = await fetch(new URL("logs", document.baseURI), { cache: "no-store" });
      if (!answer.ok) return;
      this.status = await answer.json();
    } catch {
      return;
    }
    const before = this.look.several;
    this.logs = this.status.logs;
    const who = byId("who");
    who.hidden = !this.status.logged_in;
    who.textContent = this.status.logged_in ?? "";
    this.#names();
    if (before !== this.look.several) {
      this.rows.remeasureAll();
      this.list.refresh();
    }
    this.behind = this.view.behind(this.logs);
    this.#state();
  }

  // ---- what happens ----

  /** @param {"above" | "below" | "all"} how */
  #changed(how) {
    if (how === "all") {
      this.#lastCount = this.rows.first;
      // What was there is not new.
      this.seen = this.rows.end;
      this.hits = NaN;
      // What stands there may be other rows of the same numbers.
      this.list.refresh();
      if (!this.status) this.look.several = this.#areSeveral();
      this.#makeRoom();
    }
    if (how === "above") this.list.refresh(this.rows.first);
    if (this.#jump && this.rows.size > 0) {
      const number = this.#numberOf(this.#jump);
      this.#jump = "";
      if (number !== undefined) {
        this.look.selected = number;
        this.#show(number);
      }
    } else if (this.query.since && how === "all" && this.rows.size > 0) {
      // Where it stood before was in other rows.
      this.list.following = false;
      this.list.show(this.rows.first, false);
    }
    if (this.list.following && !this.view.attached) this.view.loadNewer();
    const part = this.rows.get(this.#lastCount)?.part ?? 0;
    // What it is folded into tells of one more; other rows stay as they are, with what is selected in them.
    if (how !== "above" && part > 0) this.list.refresh(this.#lastCount - part);
    this.#lastCount = this.rows.end;
    // The first rows need not wait for a frame.
    if (how === "all" && this.rows.size > 0) this.list.paint();
    else this.list.schedule();
    this.#redrawSoon();
    this.#showState();
  }

  #state() {
    this.#refused(this.view.refused);
    if (this.view.state.kind === "history" || (!this.view.attached && !this.behind)) this.#learnSoon();
    this.#showState();
  }

  /** @param {string} why */
  #refused(why) {
    const refusal = byId("refusal");
    if (refusal.textContent.startsWith(why) && why !== "") return;
    refusal.textContent = why;
    if (why === LOGGED_OUT) {
      const link = Object.assign(document.createElement("a"), { href: `login${location.search}${location.hash}`, textContent: "Log in" });
      refusal.append(" ", link);
    }
    box.setAttribute("aria-invalid", String(why !== ""));
  }

  #moved() {
    if (this.list.following && !this.view.attached) this.view.loadNewer();
    this.#noteSoon();
    this.#showState();
  }

  #painted() {
    const { rows, list, view } = this;
    if (list.from - rows.first < 60) view.loadOlder();
    if (rows.end - list.to < 60) view.loadNewer();
    this.seen = Math.max(this.seen, list.following ? rows.end : list.to);
    this.bar.mark(lines, this.query.terms.length > 0 ? (this.marks ?? []) : []);
    this.selecting.restore();
    this.#showState();
  }

  #later = new Map();
  /** Does something once, a while from now. @param {string} what @param {number} ms @param {() => void} work */
  #soon(what, ms, work) {
    if (this.#later.has(what)) return;
    this.#later.set(what, setTimeout(() => (this.#later.delete(what), work()), ms));
  }

  #learnSoon() {
    this.#soon("learn", 1000, () => this.learn());
  }

  #noteSoon() {
    this.#soon("note", 400, () => {
      const row = this.rows.get(Number.isNaN(this.look.selected) ? this.list.from : this.look.selected);
      this.go({ at: this.list.following ? "" : (row?.id ?? "") }, true);
    });
  }

  #redrawSoon() {
    this.#soon("times", 300, () => this.#redraw(true));
    if (finds(this.query)) {
      this.#soon("hits", 500, () => {
        this.hits = 0;
        for (let number = this.rows.first; number < this.rows.end; number++) this.hits += Number(this.#isHit(number));
        this.#showState();
      });
    }
  }

  /** @param {number} number */
  #isHit(number) {
    const row = this.rows.get(number);
    return row?.kind === "record" && (this.now.highlight && this.query.terms.length > 0 ? Boolean(this.matches?.(row.line)) : finds(this.query));
  }

  /** Whether an error begins with a row: the rest of its trace is as grave. @param {number} number */
  #isError(number) {
    const isGrave = (/** @type {Row | undefined} */ row) => row?.kind === "record" && row.level >= ERROR;
    const row = this.rows.get(number);
    return isGrave(row) && !(row?.part && isGrave(this.rows.get(number - 1)));
  }

  /** Room for the times, where there are any; until lines come it is kept. What somebody reads must not jump: it changes with the lines, or at their end. */
  #makeRoom() {
    const { rows } = this;
    let any = rows.size === 0;
    for (let number = rows.first; number < rows.end && !any; number++) any = !Number.isNaN(rows.get(number)?.time);
    byId("times").hidden = !any;
  }

  /** Whether the rows tell of several logs, before it is known which there are. */
  #areSeveral() {
    const { rows } = this;
    for (let number = rows.first + 1; number < rows.end; number++) if (rows.get(number)?.log !== rows.get(rows.first)?.log) return true;
    return false;
  }

  #redraw(count = false) {
    if (this.list.following) this.#makeRoom();
    if (document.hidden || byId("times").classList.contains("off")) return;
    if (count) this.buckets = countTimes(this.rows, Math.max(20, Math.floor(canvas.clientWidth / 6) || 150));
    const { buckets, rows, list, view } = this;
    if (!buckets) {
      if (rows.size > 0 || view.searching > Date.now() - 1000 || !(view.loaded || view.refused)) return;
      canvas.width = 0;
      canvas.setAttribute("aria-label", "No lines");
      canvas.title = "";
      byId("from").textContent = byId("to").textContent = "";
      return;
    }
    const style = getComputedStyle(document.body);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name);
    const at = (/** @type {number} */ number) => rows.get(number)?.time ?? NaN;
    const inView = /** @type {[number, number]} */ ([at(list.from), at(Math.max(list.from, list.to - 1))]);
    const colours = { plain: colour("--bar-plain"), warn: colour("--bar-warn"), error: colour("--bar-error"), view: colour("--view") };
    draw(canvas, buckets, colours, inView.some(Number.isNaN) ? null : inView, this.chosen);
    const end = buckets.from + buckets.step * buckets.all.length;
    const utc = this.look.time === "utc";
    byId("from").textContent = clock(buckets.from, utc).slice(0, 8);
    byId("to").textContent = clock(end, utc).slice(0, 8);
    canvas.title = `${amount(rows.size, "line")}, ${view.isWhole ? "all there are" : "those that are loaded; there may be more"}. Click to go to a time, drag to choose one.`;
    canvas.setAttribute("aria-label", `${amount(sum(buckets.all), "line")} from ${clock(buckets.from, utc)} to ${clock(end, utc)}, ${amount(sum(buckets.error), "error")}, ${amount(sum(buckets.warn), "warning")}`);
  }

  #showState() {
    const { view, list, rows } = this;
    this.bar.state(view, this.behind);
    const news = rows.end - this.seen + view.waiting.lines;
    live.hidden = (list.following && view.attached && view.state.kind !== "history") || rows.size === 0;
    const bytes = Math.max(view.waiting.bytes, this.behind);
    const far = view.state.kind === "history" || !view.attached;
    if (view.state.kind === "history" && bytes > 1e6) live.textContent = `${size(bytes)} behind: skip to live`;
    else if (far && bytes > 0) live.textContent = `${news > 0 ? `${amount(news, "new line")}, ` : ""}${size(bytes)} behind: skip to live`;
    else live.textContent = news > 0 ? `${amount(news, "new line")}: go to live` : "Go to live";
    byId("follow").setAttribute("aria-pressed", String(list.following));
    byId("follow").textContent = list.following ? "Following" : "Paused";
    document.body.classList.toggle("paused", !list.following);
    this.bar.search(view, this.logs);
    const where = rows.size > 0 ? `${grouped(list.from - rows.first + 1)}–${grouped(list.to - rows.first)} of ${amount(rows.size, "line")}` : "";
    byId("place").textContent = where + (where && view.older === null && view.loaded && !this.query.since ? " · from the first" : "");
    const count = byId("count");
    count.textContent = finds(this.query) && !Number.isNaN(this.hits) ? grouped(this.hits) + (view.isWhole ? "" : "+") : "";
    count.title = view.isWhole ? "All that match" : "Of the lines that are loaded; there may be more";
    byId("previous").hidden = byId("next").hidden = !finds(this.query);
    const empty = byId("empty");
    empty.hidden = rows.size > 0 || !view.loaded || view.searching > 0 || !this.status;
    if (empty.hidden) return;
    const words = make("div", "");
    words.append(...emptyWords(this.now.find, this.query, this.status));
    // What says the same stays: somebody may be about to press its button.
    if (empty.textContent !== words.textContent) empty.replaceChildren(words);
  }

  // ---- what the reader asks for ----

  /** @param {string} id */
  #numberOf(id) {
    const own = ownPosition(id);
    for (let number = this.rows.end - 1; number >= this.rows.first; number--) {
      if (ownPosition(/** @type {Row} */ (this.rows.get(number)).id) === own) return number;
    }
    return undefined;
  }

  /** The row that keys are about. */
  get current() {
    const { selected } = this.look;
    return this.rows.get(selected) ? selected : Math.max(this.rows.first, this.list.to - 1);
  }

  /** @param {number} number */
  select(number) {
    if (!this.rows.get(number)) return;
    this.#unfold(number);
    const before = this.look.selected;
    this.look.selected = number;
    this.list.refresh(before);
    this.list.refresh(number);
    this.list.show(number, false);
    this.list.pause();
    byId("said").textContent = this.rows.get(number)?.line.slice(0, 300) ?? "";
  }

  /** Opens what a row is folded into. @param {number} number */
  #unfold(number) {
    if (this.rows.height(number) === 0) this.toggle(number);
  }

  /** Puts a row near the middle of the view. @param {number} number */
  #show(number) {
    this.#unfold(number);
    this.list.show(number, true);
  }

  /**
   * The next row of some kind, or the one before: of those that are here, else of those that the server has.
   * @param {number} step
   * @param {(number: number) => boolean} wanted
   * @param {string} what they are called; "" says nothing where there is none
   * @param {URLSearchParams} [filter] how to ask the server for them
   */
  async seek(step, wanted, what, filter) {
    this.view.stop();
    for (let number = this.current + step; this.rows.get(number); number += step) {
      if (!wanted(number)) continue;
      this.select(number);
      return this.list.show(number, true);
    }
    const id = filter ? await this.view.find(filter, step < 0) : "";
    if (id) this.go({ at: id });
    else if (id === "" && what) this.bar.say(`No ${step < 0 ? "earlier" : "later"} ${what}`);
  }

  /** @param {number} step */
  #seekHit(step) {
    this.seek(step, (number) => this.#isHit(number), "match", finds(this.query) ? parameters(this.query, false) : undefined);
  }

  /** @param {number} step */
  #seekError(step) {
    const filter = parameters(this.query, this.now.highlight);
    if (this.query.level !== "fatal") filter.set("level", "error");
    this.seek(step, (number) => this.#isError(number), "error", filter);
  }

  /** @param {number} step */
  #seekLine(step) {
    const isEnd = step < 0 ? this.view.older === null : this.view.attached;
    this.seek(step, (number) => this.rows.height(number) > 0, isEnd ? "line" : "");
  }

  /** @param {number} number */
  toggle(number) {
    const head = Math.max(this.rows.first, number - (this.rows.get(number)?.part ?? 0));
    const open = !this.rows.get(head)?.open;
    for (let next = head; next === head || (this.rows.get(next)?.part ?? 0) > 0; next++) {
      const row = this.rows.get(next);
      if (!row) break;
      row.open = open;
      this.rows.remeasure(next);
      this.list.refresh(next);
    }
    this.list.pause();
    if (open) this.list.show(head, false);
    this.list.schedule();
  }

  /** @param {number} number */
  mark(number) {
    const row = this.rows.get(number);
    if (!row?.id) return;
    const own = ownPosition(row.id);
    const { marked } = this.look;
    if (!marked.delete(own)) marked.add(own);
    rememberMarks(marked);
    this.look.since = marked.has(own) ? row.time : NaN;
    this.list.refresh();
  }

  /** @param {number} number the row to stand at */
  permalink(number) {
    const at = this.rows.get(number)?.id ?? "";
    return new URL(write({ ...this.now, find: this.#timeless, at }) || ".", location.href).href;
  }

  /** What is in the box but the times. */
  get #timeless() {
    return withField(withField(this.now.find, "since", ""), "until", "");
  }

  /** The command for what is in view, and what comes after it. */
  async curl() {
    const { list, query, rows, view } = this;
    /** @type {Record<string, string>} */
    const where = query.until ? { until: query.until } : {};
    if (query.since && (list.following || list.from === rows.first)) where.since = query.since;
    else if (list.following || rows.size === 0) where.tail = "200";
    else where.after = view.before(list.from);
    const filter = parameters(query, this.now.highlight);
    if (!this.status) await this.learn();
    const token = Boolean(this.status?.logged_in);
    this.copy(curl(new URL(".", document.baseURI).href, filter, where, token), "Command", token ? ": your token belongs in $SIDETAIL_TOKEN" : "");
  }

  /** @param {"text" | "ndjson"} format */
  download(format) {
    const asked = parameters(this.query, this.now.highlight);
    asked.set(this.query.since ? "since" : "from", this.query.since || "start");
    if (this.query.until) asked.set("until", this.query.until);
    const name = (this.query.logs[0] ?? "sidetail").replace(/[^\w.-]/g, "_").replace(/^\.+/, "").slice(0, 80) || "log";
    for (const [key, value] of [["follow", "false"], ["format", format], ["download", `${name}.${format === "text" ? "log" : "ndjson"}`]]) asked.set(key, value);
    const link = document.createElement("a");
    link.href = `tail?${asked}`;
    link.download = "";
    link.click();
  }

  /** @param {string} text @param {string} what @param {string} [more] to be known of it */
  async copy(text, what, more = "") {
    try {
      await navigator.clipboard.writeText(text);
      this.bar.say(`${what} copied${more}`);
    } catch {
      prompt(`${what}${more}:`, text);
    }
  }

  /** @param {number} steps of the histogram */
  #time(steps) {
    const time = this.rows.get(this.current)?.time ?? NaN;
    if (!this.buckets || Number.isNaN(time)) return;
    const to = this.buckets.from + (Math.floor((time - this.buckets.from) / this.buckets.step) + steps) * this.buckets.step;
    const number = rowAt(this.rows, to);
    this.select(number);
    this.list.show(number, true);
  }

  /** @type {Record<string, (number: number) => void>} */
  actions = {
    find: () => [box.focus(), box.select()],
    mode: () => this.go({ highlight: !this.now.highlight }),
    next: () => this.#seekHit(1),
    previous: () => this.#seekHit(-1),
    nextError: () => this.#seekError(1),
    previousError: () => this.#seekError(-1),
    down: () => this.#seekLine(1),
    up: () => this.#seekLine(-1),
    pageUp: () => this.list.page(-1),
    pageDown: () => this.list.page(1),
    top: () => (this.view.loadOlder(), this.select(this.rows.first)),
    bottom: () => this.goLive(),
    pause: () => (this.list.following ? this.list.pause() : this.goLive()),
    open: (number) => this.toggle(number),
    mark: (number) => this.mark(number),
    nextMark: () => this.seek(1, (number) => this.look.marked.has(ownPosition(/** @type {Row} */ (this.rows.get(number)).id)), "marked line among those that are loaded"),
    context: (number) => {
      this.go({ at: this.rows.get(number)?.id ?? "" }, true);
      this.go({ find: this.query.logs.map((log) => `log:${quoted(log)}`).join(" "), highlight: false, at: this.now.at });
    },
    earlier: () => this.#time(-1),
    later: () => this.#time(1),
    wrap: () => this.#setLook({ wrap: !this.now.wrap }),
    time: () => this.#setLook({ time: TIME_MODES[(TIME_MODES.indexOf(this.now.time) + 1) % TIME_MODES.length] }),
    histogram: () => {
      byId("times").classList.toggle("off");
      this.#redraw(true);
    },
    permalink: (number) => this.copy(this.permalink(number), "Link"),
    copy: (number) => this.copy(this.rows.get(number)?.line ?? "", "Line"),
    curl: () => this.curl(),
    download: () => this.download("text"),
    downloadJson: () => this.download("ndjson"),
    theme: () => {
      const theme = themes[(themes.indexOf(recall("theme") || "system") + 1) % themes.length];
      setTheme(theme);
      this.bar.say(`Theme: ${theme}`);
      this.#redraw();
    },
    help: () => [fillHelp(), byId("help").showModal()],
    leave: () => {
      this.view.stop();
      if (document.activeElement === box) [(box.value = this.now.find), lines.focus()];
      else this.selecting.none();
      this.#showState();
    },
  };

  /** Goes to the end of the log, whatever lies between: where that is much, it is not what was written since some time. */
  goLive() {
    const { view } = this;
    view.stop();
    this.list.follow();
    this.look.selected = NaN;
    if (!view.isAway) return;
    view.skip();
    const next = { find: this.#timeless, at: "" };
    if (next.find === this.now.find) this.go(next, true), this.show();
    else this.go(next);
  }

  /** Changes how rows look, not which there are. @param {Partial<import("./address.js").Address>} change */
  #setLook(change) {
    this.go(change, true);
    this.#showLook();
    this.#redraw(true);
    this.rows.remeasureAll();
    this.list.refresh();
  }

  // ---- listening ----

  listen() {
    byId("finder").addEventListener("submit", (/** @type {Event} */ event) => [event.preventDefault(), this.find(box.value)]);
    box.addEventListener("search", () => box.value || this.find(""));
    byId("log").addEventListener("change", () => byId("log").value === "?" || this.find(withField(box.value, "log", byId("log").value)));
    for (const id of ["previous", "next", "mode", "time", "wrap"]) byId(id).addEventListener("click", () => this.actions[id](this.current));
    byId("follow").addEventListener("click", () => this.actions.pause(0));
    live.addEventListener("click", () => this.goLive());
    byId("empty").addEventListener("click", (/** @type {any} */ event) => event.target.matches("button") && this.find(""));
    lines.addEventListener("click", (/** @type {any} */ event) => this.#clicked(event));
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("popstate", () => [(this.now = read(location.search)), this.show()]);
    addEventListener("resize", () => this.#soon("resize", 150, () => this.#setLook({})));
    addEventListener("storage", ({ key }) => {
      if (key !== "marks") return;
      this.look.marked = recallMarks();
      this.list.refresh();
    });
    addEventListener("online", () => this.view.ask({ type: "hurry" }));
    addEventListener("pagehide", () => this.view.ask({ type: "bye" }));
    addEventListener("pageshow", (event) => event.persisted && this.show());
    document.addEventListener("visibilitychange", () => {
      this.bar.seen();
      this.list.schedule();
      this.#redraw(true);
      this.view.ask({ type: "shown", shown: !document.hidden });
    });
    setInterval(() => this.#tick(), 1000);
    // Filled when it is needed: the first lines come first.
    byId("more").addEventListener("beforetoggle", () => fillMenu(this), { once: true });
    this.#listenToTimes();
  }

  #tick() {
    if (document.hidden) return;
    this.#showState();
    this.#redraw();
    // In place: somebody may be selecting text, or stand on a button.
    if (this.look.time === "relative") this.list.each((element, row) => {
      const time = element.querySelector(".time")?.firstChild;
      const words = shown(row.time, "relative", Date.now(), NaN);
      if (time && time.nodeValue !== words) time.nodeValue = words;
    });
    if (this.rows.size === 0 || this.view.searching || this.view.seeking || this.view.refused || this.view.state.kind === "history") this.#learnSoon();
  }

  #listenToTimes() {
    let start = NaN;
    const time = (/** @type {PointerEvent} */ event) => {
      const buckets = /** @type {import("./histogram.js").Buckets} */ (this.buckets);
      return buckets.from + Math.min(1, Math.max(0, event.offsetX / canvas.clientWidth)) * buckets.all.length * buckets.step;
    };
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (!this.buckets) return;
      start = time(event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (Number.isNaN(start)) return;
      this.chosen = [Math.min(start, time(event)), Math.max(start, time(event))];
      this.#redraw();
    });
    canvas.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
      if (Number.isNaN(start)) return;
      const [from, to] = this.chosen ?? [start, start];
      this.chosen = null;
      const isRange = to - from >= (this.buckets?.step ?? 0) && event.offsetX >= 0;
      start = NaN;
      if (!isRange) return this.#show(rowAt(this.rows, from));
      const iso = (/** @type {number} */ at) => new Date(at).toISOString();
      this.find(withField(withField(box.value, "since", iso(from)), "until", iso(to)));
    });
  }

  /** @param {MouseEvent & {target: HTMLElement}} event */
  #clicked(event) {
    const number = Number(/** @type {HTMLElement | null} */ (event.target.closest(".row"))?.dataset.number);
    const { term, action } = event.target.dataset;
    if (term) this.find(toggled(box.value, term));
    else if (action) this.actions[action](number);
    else if (event.target.closest(".fold, .more")) this.toggle(number);
    else if (document.getSelection()?.isCollapsed && !Number.isNaN(number)) this.select(number);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if ((event.ctrlKey || event.metaKey) && event.key === "a" && lines.contains(target)) {
      event.preventDefault();
      return this.selecting.all(this.rows.first, this.rows.end);
    }
    const inControl = target.matches("input, select, dialog, dialog *, [popover] *");
    const action = actionOf(event, inControl);
    if (!action || target.matches(event.key === "Enter" ? "a, button" : event.key === " " ? "button" : "_")) return;
    // Chromium would empty the box, and so look for all.
    if (action !== "leave" || target === box) event.preventDefault();
    this.actions[action](this.current);
  }
}

/** @param {string} theme */
function setTheme(theme) {
  remember("theme", theme);
  document.documentElement.dataset.theme = theme;
}

/** @param {Ops} ops */
function fillMenu(ops) {
  const items = { mode: "Filter, or only highlight", curl: "Copy as curl", permalink: "Copy a link to this line", download: "Download as text", downloadJson: "Download as NDJSON", histogram: "Histogram", theme: "Theme", help: "Keys" };
  const more = byId("more");
  for (const [action, label] of Object.entries(items)) {
    const item = make("button", "item", label);
    const key = KEYS.find(([, name]) => name === action)?.[0][0];
    if (key) item.append(make("kbd", "", key));
    item.addEventListener("click", () => [action !== "theme" && more.hidePopover(), ops.actions[action](ops.current)]);
    more.append(item);
  }
}

function fillHelp() {
  if (byId("help").firstChild) return;
  const close = make("button", "", "Close");
  close.addEventListener("click", () => byId("help").close());
  const table = make("table", "");
  for (const [keys, , help] of KEYS) {
    const row = table.appendChild(make("tr", ""));
    const cell = row.appendChild(make("th", ""));
    cell.append(...keys.flatMap((key) => [make("kbd", "", keyName(key)), " "]));
    row.append(make("td", "", help));
  }
  const head = make("h2", "", "Keys");
  head.append(close);
  byId("help").append(head, table);
}

function start() {
  document.title = `${location.host} · sidetail`;
  document.documentElement.dataset.theme = recall("theme") || "system";
  const ops = new Ops();
  ops.show();
  ops.listen();
}

// The worker has the same code: it is there already when the worker asks for it.
if (globalThis.document) start();
else work(globalThis);
