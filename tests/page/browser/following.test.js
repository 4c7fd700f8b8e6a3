import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { allLines, each, open, says, until } from "./world.js";

const own = each();

test("lines appear once and in order, through rotation, and carry their ids", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(50);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 50, "what was there");
  for (let round = 0; round < 4; round++) {
    log.write(20);
    log.rotate();
    log.write(20);
  }
  assert.deepEqual((await until(page, (lines) => lines.length >= 210, "all lines")).filter((line) => line.startsWith("line")), log.written);
  const ids = await page.locator(".row").evaluateAll((rows) => rows.map((row) => /** @type {HTMLElement} */ (row).dataset.id));
  assert.ok(ids.length > 10 && ids.every((id) => /^1[0-9a-z]{4}\.[0-9a-z]{10}\.\d+\./.test(id ?? "")), String(ids[0]));
  await says(page, "#state", /^Live/);
});

test("an agent that is killed and started again loses and doubles nothing", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(10);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 10, "the first lines");
  for (let round = 0; round < 3; round++) {
    await world.kill();
    await says(page, "#state", /(Reconnecting|Agent away): again in \d+ s|Connecting/);
    log.write(15);
    if (round === 1) log.rotate();
    log.write(15);
    await world.start();
    await until(page, (lines) => lines.length >= log.written.length, "what was written meanwhile");
  }
  await says(page, "#state", /^Live/);
  assert.deepEqual((await allLines(page)).filter((line) => line.startsWith("line")), log.written);
});

test("what can't be given any more is a row that says what is missing and why", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(10);
  const page = await open(context, await world.start(["app=@/app.log"]));
  await until(page, (lines) => lines.length === 10, "the first lines");
  await world.kill();
  fs.unlinkSync(log.file);
  fs.writeFileSync(log.file, "another life\n");
  await world.start();
  // Another one may stand on top: what is before the first lines may have been asked for when the log was gone.
  await page.locator(".row.gap").last().waitFor();
  assert.match(String(await page.locator(".row.gap .text").last().textContent()), /^Lines (are|may be) missing here in app: /);
  await until(page, (lines) => lines.at(-1) === "another life", "what follows the gap");
});

test("one turn of the wheel pauses at once; what waits is counted, and nothing of it is dropped", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(200);
  await context.addInitScript(() => {
    const tops = /** @type {any} */ (window).tops = new Set();
    const look = () => {
      requestAnimationFrame(look);
      if (document.querySelector(".row")) tops.add(document.querySelector("#lines")?.getBoundingClientRect().top);
    };
    look();
  });
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 200, "history");
  await page.locator("#live").waitFor({ state: "hidden" });
  await page.locator("#lines").hover();
  await page.mouse.wheel(0, -60);
  await says(page, "#follow", /Paused/);
  const top = await page.evaluate(() => [...document.querySelectorAll(".row")].find((row) => row.getBoundingClientRect().bottom > 150)?.textContent);
  log.write(1234);
  await says(page, "#live", /^1,234 new lines: go to live$/);
  const still = await page.evaluate(() => [...document.querySelectorAll(".row")].find((row) => row.getBoundingClientRect().bottom > 150)?.textContent);
  assert.equal(still, top, "nothing jumps");
  await page.locator("#live").click();
  await page.locator("#live").waitFor({ state: "hidden" });
  await page.locator(".row", { hasText: log.written.at(-1) }).waitFor();
  assert.deepEqual(await allLines(page), log.written);
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).tops.size), 1, "nothing above the lines comes or goes");
});

test("space pauses, and follows again", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(200);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 200, "history");
  await page.locator("#lines").press(" ");
  await says(page, "#follow", /Paused/);
  log.write(5);
  await says(page, "#live", /^5 new lines/);
  await page.keyboard.press("G");
  await says(page, "#follow", /Following/);
});

test("older lines come from the server when one scrolls up, through compressed files, to the first", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  for (let life = 0; life < 4; life++) {
    log.write(1500);
    if (life < 3) log.rotate();
  }
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 200, "the end");
  const nodes = () => page.evaluate(() => document.querySelectorAll("#rows *").length);
  const few = await nodes();
  await page.locator("#lines").press("g");
  for (let turn = 0; !/from the first/.test(String(await page.locator("#place").textContent())); turn++) {
    assert.ok(turn < 600, "it comes to the first line");
    await page.keyboard.press("g");
    await page.waitForTimeout(20);
  }
  assert.deepEqual(await allLines(page), log.written);
  await page.keyboard.press("g");
  await page.locator(".row", { hasText: log.written[0] }).waitFor();
  assert.ok((await nodes()) < few * 3 + 200, "the number of elements does not grow");
});

test("who scrolls up while older lines come stays at the lines that he sees", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5000);
  await context.addInitScript(() => {
    const tab = /** @type {any} */ (window);
    const { requestAnimationFrame } = window;
    tab.waiting = [];
    tab.holds = false;
    window.requestAnimationFrame = (work) => (tab.holds ? tab.waiting.push(work) : requestAnimationFrame(work));
  });
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 1100, "a first look back");
  /** @type {Promise<import("playwright-core").Route>} */
  const asked = new Promise((done) => page.route(/before=(?!end)/, done, { times: 1 }));
  const scroll = (/** @type {number} */ pixels) => page.evaluate(async (pixels) => {
    const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
    lines.scrollTop += pixels;
    await new Promise((done) => lines.addEventListener("scroll", done, { once: true }));
  }, pixels);
  const top = () => page.evaluate(() => {
    const { top } = /** @type {HTMLElement} */ (document.getElementById("lines")).getBoundingClientRect();
    const row = [...document.querySelectorAll(".row")].find((row) => row.getBoundingClientRect().bottom > top + 1);
    return Number(/line (\d+)/.exec(row?.textContent ?? "")?.[1]);
  });
  await scroll(800 - 20 * 1100);
  const route = await asked;
  const before = await top();
  await page.evaluate(() => (/** @type {any} */ (window).holds = true));
  await route.continue();
  await page.waitForFunction(() => /of 2,100 lines/.test(document.getElementById("place")?.textContent ?? ""), null, { polling: 50 });
  await scroll(-40);
  await page.evaluate(() => {
    const tab = /** @type {any} */ (window);
    tab.holds = false;
    for (const work of tab.waiting) work();
  });
  assert.equal(await top(), before - 2);
});

test("with ten tabs open all ten are live, over one stream", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  const base = await world.start();
  const pages = [];
  for (let tab = 0; tab < 10; tab++) pages.push(await open(context, base));
  for (const page of pages) await says(page, "#state", /^Live$/);
  log.write(3);
  for (const page of pages) assert.deepEqual(await until(page, (lines) => lines.length >= 8, "new lines"), log.written);
  assert.equal((await (await fetch(`${base}logs`)).json()).subscribers, 1);
  await Promise.all(pages.slice(1).map((page) => page.close()));
  log.write(3);
  assert.deepEqual(await until(pages[0], (lines) => lines.length >= 11, "the last tab is live still"), log.written);
});

for (const missing of [["SharedWorker"], ["SharedWorker", "Worker"]]) {
  test(`without ${missing.join(" and ")} it works all the same`, async () => {
    const { world, context } = own;
    const log = world.log("app.log");
    log.write(5);
    await context.addInitScript((names) => names.forEach((name) => delete (/** @type {any} */ (globalThis)[name])), missing);
    const page = await open(context, await world.start());
    await until(page, (lines) => lines.length === 5, "history");
    log.write(5);
    assert.deepEqual(await until(page, (lines) => lines.length >= 10, "live lines"), log.written);
  });
}

test("a hidden tab keeps up without animation frames, and its title tells of errors", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 5, "history");
  await says(page, "#state", /^Live$/);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    globalThis.requestAnimationFrame = () => 0;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  log.write(30, (number) => `2026-11-22T10:00:00Z ${number % 10 === 0 ? "ERROR" : "INFO"} line ${number}`);
  await page.waitForFunction(() => document.title.startsWith("(3 errors) "), null, { polling: 50 });
  assert.match(String(await page.locator("link[rel=icon]").getAttribute("href")), /b3261e/);
  assert.deepEqual(await allLines(page), log.written);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: false, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.doesNotMatch(await page.title(), /error/);
});

test("a server without room is waited for, in words", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  const base = await world.start(["@/*.log", "--max-subscribers", "1"]);
  const other = new AbortController();
  await fetch(`${base}events`, { signal: other.signal });
  const page = await open(context, base);
  await says(page, "#state", /The server has no room; asking again in \d+ s/);
  other.abort();
});

test("a tab that stands still while more comes than it holds says how far behind it is, and reads on or skips", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1000);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 1000, "history");
  log.write(1);
  await until(page, (lines) => lines.length === 1001, "live lines");
  await page.locator("#lines").press("g");
  await says(page, "#follow", /Paused/);
  for (let piece = 0; piece < 22; piece++) log.write(10_000);
  await says(page, "#live", /^\d\d\d,\d\d\d new lines, [\d.]+ (kB|MB) behind: skip to live$/);
  assert.equal((await page.locator(".row").first().textContent())?.includes(log.written[0]), true, "nothing of what is in view went");
  const held = await allLines(page);
  assert.deepEqual(held, log.written.slice(0, held.length));
  await page.locator("#live").click();
  await page.locator(".row", { hasText: log.written.at(-1) }).waitFor();
  await says(page, "#follow", /Following/);
  log.write(10);
  const live = await until(page, (lines) => lines.at(-1) === log.written.at(-1), "live lines");
  assert.deepEqual(live, log.written.slice(-live.length));
});

for (const how of ["that follows for long", "that was too busy for a while"]) test(`a tab ${how} holds the newest lines, and older ones come again from the server`, async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1000);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 1000, "history");
  for (let piece = 0; piece < 10; piece++) log.write(10_000);
  await page.locator(".row", { hasText: log.written.at(-1) }).waitFor();
  const busy = page.evaluate((ms) => { for (const end = performance.now() + ms; performance.now() < end; ); }, how.includes("busy") ? 2000 : 0);
  for (let piece = 0; piece < 13; piece++) log.write(10_000);
  await busy;
  await says(page, "#place", /of 2?[01]\d\d,\d\d\d lines/);
  await page.locator(".row", { hasText: log.written.at(-1) }).waitFor();
  const held = await allLines(page);
  assert.ok(held.length > 190_000 && held.length <= 200_000, `${held.length} lines are held`);
  assert.deepEqual(held, log.written.slice(-held.length));
  await page.locator("#lines").press("g");
  await page.waitForFunction(() => /behind: skip to live/.test(document.getElementById("live")?.textContent ?? ""));
  const earlier = await allLines(page);
  const from = log.written.indexOf(earlier[0]);
  assert.ok(from < log.written.length - held.length, "older ones than before");
  assert.deepEqual(earlier, log.written.slice(from, from + earlier.length));
  assert.ok((await page.evaluate(() => document.querySelectorAll("#rows *").length)) < 600);
});

test("the first lines are asked for once, before the code is there; the code is kept", async () => {
  const { world, context } = own;
  world.log("app.log").write(5);
  const base = await world.start();
  const page = await open(context, base);
  const asked = async (/** @type {string} */ what) => page.evaluate((what) => performance.getEntriesByType("resource").map((entry) => /** @type {PerformanceResourceTiming} */ (entry)).filter(({ name }) => name.includes(what)), what);
  await until(page, (lines) => lines.length === 5, "history");
  const [early, ...again] = await asked("before=end");
  assert.deepEqual(again, []);
  assert.notEqual(early.initiatorType, "fetch");
  await page.goto(`${base}?q=line`);
  await until(page, (lines) => lines.length === 5, "what is found");
  assert.deepEqual((await asked("before=end")).map(({ initiatorType }) => initiatorType), ["fetch"]);
  const [code] = await asked("page.js");
  assert.equal(code.transferSize, 0, "from the cache");
});
