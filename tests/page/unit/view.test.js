// The window over the log with a server of numbered records: every row once and in order, whatever comes meanwhile.

import assert from "node:assert/strict";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ROWS_MAX } from "../../../src/page/ring.js";
import { rowOf } from "../../../src/page/row.js";
import { View } from "../../../src/page/view.js";

/** @param {number} number */
const idOf = (number) => `${number}.0`;
/** @param {number} number */
const rowAt = (number) => rowOf({ id: idOf(number), log: "app", line: String(number) });

/** Waits until all that is on its way has come. */
async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
}

/** A view, the log that it shows, and the reader. @param {import("node:test").TestContext} test @param {number} written */
async function reading(test, written) {
  const log = { written, cut: 0, holds: false, held: /** @type {(() => void)[]} */ ([]), asked: /** @type {string[]} */ ([]) };
  /** @param {number} from @param {number} to */
  const body = (from, to) => {
    const records = Array.from({ length: to - from }, (_, at) => `data: {"log":"app","line":"${from + at + 1}"}\nid: ${idOf(from + at + 1)}\n\n`);
    return `event: hello\ndata: {}\nid: ${idOf(from)}\n\n${records.join("")}`;
  };
  const given = { document: globalThis.document, fetch: globalThis.fetch };
  test.after(() => Object.assign(globalThis, given));
  const fetch = async (/** @type {URL} */ url) => {
    const ask = url.searchParams;
    log.asked.push(url.search);
    if (log.holds) await new Promise((done) => log.held.push(() => done(null)));
    if (log.cut-- > 0) return new Response("");
    const before = ask.get("before") === "end" ? log.written : parseInt(ask.get("before") ?? "");
    if (before >= 0) return new Response(body(Math.max(0, before - Number(ask.get("tail"))), before));
    const after = parseInt(ask.get("after") ?? "");
    return new Response(body(after, Math.min(log.written, after + Number(ask.get("limit")))));
  };
  Object.assign(globalThis, { document: { baseURI: "http://h/", hidden: false }, fetch });
  const port = { postMessage: () => {}, onmessage: /** @type {any} */ (null) };
  const reader = { keep: /** @type {[number, number] | null} */ (null) };
  const view = new View({ connect: () => port, here: () => port }, () => 1, { changed: () => {}, state: () => {}, painted: async () => {}, arrived: () => {}, keep: () => reader.keep });
  const said = (/** @type {any} */ said) => port.onmessage({ data: { ...said, turn: 1 } });
  /** Live lines. @param {number} count */
  const write = (count) => {
    said({ type: "rows", rows: Array.from({ length: count }, (_, at) => rowAt(log.written + at + 1)) });
    log.written += count;
  };
  const numbers = () => Array.from({ length: view.rows.size }, (_, at) => Number(view.rows.get(view.rows.first + at)?.line));
  /** What is there is all that stands between its ends. */
  const isWhole = () => {
    const all = numbers();
    assert.deepEqual([all[0], all.length], [Number(all.at(-1)) - all.length + 1, new Set(all).size], "no row is missing");
    assert.ok(all.every((number, at) => number === all[0] + at), "all are in order");
    return all;
  };
  view.open(new URLSearchParams(), { at: "", since: "", until: "" });
  await settled();
  return { view, log, reader, write, said, isWhole };
}

/** The same with as many live lines as there is room for, and more. @param {import("node:test").TestContext} test */
async function full(test) {
  const it = await reading(test, 5000);
  it.said({ type: "joined", cursor: idOf(5000) });
  await settled();
  assert.equal(it.view.attached, true);
  for (let sent = 0; sent < ROWS_MAX + 10_000; sent += 1000) it.write(1000);
  assert.equal(it.view.rows.size, ROWS_MAX);
  return it;
}

test("live lines that made room for older ones are read again to the end, none is left out", async (test) => {
  const { view, log, reader, isWhole } = await full(test);
  reader.keep = [view.rows.first, view.rows.first + 30];
  view.loadOlder();
  await settled();
  assert.equal(view.attached, false);
  isWhole();
  while (!view.attached) {
    reader.keep = [view.rows.end - 30, view.rows.end];
    view.loadNewer();
    await settled();
    isWhole();
  }
  assert.equal(isWhole().at(-1), log.written);
});

test("older lines that come after the first ones went are not put where those were", async (test) => {
  const { view, log, write, isWhole } = await full(test);
  log.holds = true;
  view.loadOlder();
  await settled();
  write(1000);
  log.holds = false;
  log.held[0]();
  await settled();
  assert.equal(isWhole().at(-1), log.written);
  assert.equal(view.searching, 0);
});

test("newer lines that come after the last ones went are not put where those were", async (test) => {
  const { view, log, reader, write, isWhole } = await full(test);
  reader.keep = [view.rows.first, view.rows.first + 30];
  write(3000);
  assert.equal(view.attached, false);
  log.holds = true;
  view.loadNewer();
  await settled();
  log.holds = false;
  view.loadOlder();
  await settled();
  log.held[0]();
  await settled();
  isWhole();
  while (!view.attached) {
    reader.keep = [view.rows.end - 30, view.rows.end];
    view.loadNewer();
    await settled();
  }
  assert.equal(isWhole().at(-1), log.written);
});

test("an agent that ends before it answers is asked again: neither history nor what is new ends there", { timeout: 20_000 }, async (test) => {
  const { view, log, said, isWhole } = await reading(test, 5000);
  log.cut = 1;
  view.loadOlder();
  await settled();
  assert.equal(view.older, idOf(3900));
  while (view.rows.size < 2100) await settled();
  log.cut = 1;
  log.written += 10;
  said({ type: "joined", cursor: idOf(5000) });
  while (!view.attached) await settled();
  assert.equal(isWhole().at(-1), log.written);
});

test("lines that wait to be read from the server take no memory", async (test) => {
  const { view, log, reader, write, said } = await full(test);
  reader.keep = [view.rows.first, view.rows.first + 30];
  write(3000);
  reader.keep = [view.rows.end - 30, view.rows.end];
  view.loadNewer();
  await settled();
  assert.equal(view.attached, false, "there are more");
  const waits = new WeakRef(rowAt(log.written + 1));
  said({ type: "rows", rows: [waits.deref()] });
  await settled();
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  assert.equal(waits.deref(), undefined);
});
