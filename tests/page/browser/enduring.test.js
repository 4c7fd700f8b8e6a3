import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { allLines, each, open, painted, says, until } from "./world.js";

const own = each();
/** @typedef {import("playwright-core").Page} Page */

/** Passes connections on to an address, until it is told to die: then nothing comes from live streams, nor do they end, and the rest is cut. @param {string} base */
async function wire(base) {
  const { hostname, port } = new URL(base);
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  /** @type {Set<net.Socket>} */
  const live = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    near.on("data", (request) => (String(request).includes("from=end") ? [live.add(near), live.add(far)] : [live.delete(near), live.delete(far)]));
    near.pipe(far).pipe(near);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(null)));
  return {
    base: `http://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}/`,
    die: () => sockets.forEach((socket) => (live.has(socket) ? [socket.unpipe(), socket.pause()] : [socket.destroy()])),
    close: () => [sockets.forEach((socket) => socket.destroy()), server.close()],
  };
}

/** The page reads its stream itself, so that what is done to it is done to the stream. @param {import("playwright-core").BrowserContext} context */
async function withoutWorkers(context) {
  await context.addInitScript(() => ["SharedWorker", "Worker"].forEach((name) => delete (/** @type {any} */ (globalThis)[name])));
}

test("a laptop that slept goes on where it was: nothing is lost, nothing doubled", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(300);
  await withoutWorkers(context);
  const { base, die, close } = await wire(await world.start());
  try {
    const page = await open(context, base);
    await until(page, (lines) => lines.length === 300, "history");
    log.write(10);
    await until(page, (lines) => lines.length === 310, "live lines");
    die();
    log.write(500);
    log.rotate();
    log.write(500);
    assert.equal((await allLines(page)).length, 310, "the connection is dead, and nobody knows");
    await page.evaluate(() => {
      const { now } = Date;
      Date.now = () => now() + 3_600_000;
    });
    const written = (/** @type {string[]} */ lines) => lines.filter((line) => line.startsWith("line"));
    const lines = await until(page, (lines) => written(lines).length >= 1310, "what was written meanwhile");
    assert.deepEqual(written(lines), log.written);
    await says(page, "#state", /^Live$/);
  } finally {
    close();
  }
});

test("a tab that the browser froze has everything when it thaws", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(100);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 100, "history");
  const cdp = await context.newCDPSession(page);
  await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  log.write(2000);
  await cdp.send("Page.setWebLifecycleState", { state: "active" });
  assert.deepEqual(await until(page, (lines) => lines.length >= 2100, "what was written meanwhile"), log.written);
});

test("after a reconnect with much to catch up it says how much, and skips to live when asked", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const long = (/** @type {number} */ number) => `line ${number} ${"x".repeat(200)}`;
  log.write(300, long);
  await withoutWorkers(context);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 300, "history");
  log.write(1, long);
  await until(page, (lines) => lines.length === 301, "live lines");
  await world.kill();
  await says(page, "#state", /again in/);
  log.write(60_000, long);
  const cdp = await context.newCDPSession(page);
  const speed = (/** @type {number} */ bytes) => cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: bytes, uploadThroughput: -1 });
  await cdp.send("Network.enable");
  await speed(400_000);
  await world.start();
  await says(page, "#state", /^Catching up: \d+ MB behind/);
  await says(page, "#live", /^\d+ MB behind: skip to live$/);
  await page.locator("#live").click();
  await speed(-1);
  await page.locator(".row", { hasText: `line ${log.written.length - 1} ` }).waitFor();
  await says(page, "#state", /^Live/);
  log.write(3, long);
  const lines = await until(page, (lines) => lines.at(-1) === log.written.at(-1), "live lines");
  assert.ok(lines.length < 30_000, "not all of it was read");
  assert.deepEqual(lines, log.written.slice(-lines.length));
});

test("where there is no clipboard, what would be copied is shown to be copied by hand", async () => {
  const { world, context } = own;
  world.log("app.log").write(5);
  await context.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 5, "history");
  const dialog = page.waitForEvent("dialog");
  const pressed = page.locator("#lines").press("u");
  const asked = await dialog;
  assert.equal(asked.type(), "prompt");
  assert.match(asked.defaultValue(), /^curl -N 'http:\/\/127\.0\.0\.1:\d+\/tail\?tail=200'$/);
  await asked.dismiss();
  await pressed;
});

test("what is shown can be had as NDJSON, all of it and not only what the tab holds", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3000, (number) => `2026-11-22T10:00:00Z ${number % 3 ? "INFO" : "WARN"} order ${number}`);
  const page = await open(context, await world.start());
  await page.locator("#find").fill("level:warn order");
  await page.locator("#find").press("Enter");
  await until(page, (lines) => lines.length >= 200, "those that match");
  await page.locator("#menu").click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#more .item", { hasText: "NDJSON" }).click()]);
  assert.equal(download.suggestedFilename(), "sidetail.ndjson");
  const records = fs.readFileSync(await download.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(records.map((record) => record.line), log.written.filter((line) => line.includes("WARN")));
  assert.ok(records.every((record) => record.log === "app.log" && record.level === "warn" && record.id.startsWith("1")));
});

test("marks are there again when the page is, in other tabs too, and where nothing may be kept all else works", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(50);
  const base = await world.start();
  const page = await open(context, base);
  await until(page, (lines) => lines.length === 50, "history");
  const other = await open(context, base);
  await until(other, (lines) => lines.length === 50, "history");
  await page.locator(".row", { hasText: log.written[40] }).click();
  await page.keyboard.press("m");
  for (const tab of [page, other]) await tab.locator(".row.marked", { hasText: log.written[40] }).waitFor();
  log.rotate();
  await page.reload();
  await page.locator(".row.marked", { hasText: log.written[40] }).waitFor();
  await context.addInitScript(() => Object.defineProperty(globalThis, "localStorage", { get: () => { throw new DOMException("denied", "SecurityError"); } }));
  const strict = await open(context, base);
  await until(strict, (lines) => lines.length >= 50, "history");
  await strict.locator("#lines").press("k");
  await strict.keyboard.press("m");
  await strict.locator(".row.marked").waitFor();
});

/** Controls that are cut, or can't be reached. @param {Page} page */
async function outOfReach(page) {
  await painted(page);
  return page.evaluate(() =>
    [...document.querySelectorAll("button, input, select, #state, #place")]
      .filter((one) => one.checkVisibility() && !one.closest("#rows") && one.textContent !== "" || one.id === "find")
      .filter((one) => {
        const { left, right, top, bottom } = one.getBoundingClientRect();
        const isCut = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && one.tagName === "BUTTON";
        return isCut || left < 0 || top < 0 || right > innerWidth + 1 || (bottom > innerHeight + 1 && !one.closest("[popover], dialog"));
      })
      .map((one) => `${one.id || one.textContent}: ${JSON.stringify(one.getBoundingClientRect())}`),
  );
}

for (const [what, width, height, text] of /** @type {[string, number, number, string][]} */ ([["the page at 200 %", 640, 360, "13px"], ["text at 200 %", 1280, 720, "26px"], ["both on a small screen", 512, 384, "20px"]])) {
  test(`${what}: nothing is cut, and everything can be reached`, async () => {
    const { world } = own;
    const context = await own.browser.newContext({ viewport: { width, height }, deviceScaleFactor: 2 });
    try {
      world.log("app.log").write(300, (number) => `2026-11-22T10:00:00Z ${number % 9 ? "INFO" : "ERROR"} order ${number}`);
      world.log("web.log").write(30);
      const page = await open(context, await world.start());
      await page.evaluate((text) => (document.documentElement.style.fontSize = text), text);
      await page.locator("#find").fill("order");
      await page.locator("#find").press("Enter");
      await until(page, (lines) => lines.length === 300, "history");
      await page.locator("#lines").press("PageUp");
      await page.locator("#live").waitFor();
      assert.deepEqual(await outOfReach(page), []);
      const size = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.getElementById("lines")?.clientHeight ?? 0]);
      assert.ok(size[0] <= 0, `${size[0]} pixels too wide`);
      assert.ok(size[1] >= 100, `${size[1]} pixels are left for the lines`);
      await page.locator("#menu").click();
      await page.locator("#more .item").last().click();
      await page.locator("#help button").click();
      await page.locator("#help").waitFor({ state: "hidden" });
      assert.deepEqual(page.wrong, []);
    } finally {
      await context.close();
    }
  });
}

test("who wants less motion has none", async () => {
  const { world, context } = own;
  world.log("app.log").write(200);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 200, "history");
  // In one go: the page takes the bar back once it is live.
  const moving = () => page.evaluate(() => {
    const progress = document.getElementById("progress");
    progress?.classList.add("busy");
    const running = document.getAnimations().length;
    progress?.classList.remove("busy");
    return running;
  });
  assert.equal(await moving(), 1, "the bar moves while something is on its way");
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await moving(), 0);
  const styles = await page.evaluate(() => [...document.querySelectorAll("*")].map((one) => getComputedStyle(one)).filter((style) => style.scrollBehavior !== "auto" || style.transitionDuration !== "0s").length);
  assert.equal(styles, 0);
});
