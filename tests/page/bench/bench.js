// Measures the page in Chromium with a real agent and real files: `node tests/page/bench/bench.js [SECONDS]`, after
// `cargo build --release`. Prints what it measured; fails where a promise is not kept.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

process.env.SIDETAIL ??= path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../target/release/sidetail");
const { World, launch } = await import("../browser/world.js");

const SECONDS = Number(process.argv[2] ?? 60);
const RATE = 10_000;
const BURST_MS = 20;

/** @param {number[]} values @param {number} share */
const quantile = (values, share) => [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

/** @param {number} number */
const line = (number) => `${new Date().toISOString()} ${number % 100 === 0 ? "ERROR" : "INFO"} GET /api/v1/orders/${number}?page=2 status=200 took=12ms user=alice trace=4bf92f3577b34da6a3ce929d0e0e4736`;

const WRITER = `
const fs = require("fs");
const [file, rate, seconds, from] = process.argv.slice(1);
const line = ${line.toString()};
const start = Date.now();
let written = 0;
const out = fs.openSync(file, "a");
const timer = setInterval(() => {
  const due = Math.min(rate * seconds, Math.floor(((Date.now() - start) / 1000) * rate));
  let text = "";
  for (; written < due; written++) text += line(Number(from) + written) + "\\n";
  if (text) fs.writeSync(out, text);
  if (written >= rate * seconds) clearInterval(timer);
}, ${BURST_MS});
`;

/** @param {import("playwright-core").Page} page */
async function heap(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  await cdp.detach();
  return Math.round(usedSize / 1e6);
}

/** When the first row is there and its frame begins, in milliseconds after navigation. @param {import("playwright-core").BrowserContext} context @param {string} url */
async function firstRow(context, url) {
  const page = await context.newPage();
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector(".row")) return;
      requestAnimationFrame(() => (/** @type {any} */ (globalThis).firstRow = performance.now()));
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(url);
  const took = await page.evaluate(async () => {
    while (!(/** @type {any} */ (globalThis).firstRow)) await new Promise((done) => setTimeout(done, 5));
    return /** @type {number} */ (/** @type {any} */ (globalThis).firstRow);
  });
  await page.close();
  return took;
}

/** What no page can do better: a page of one line, without style or code. */
const bare = http.createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>bare</title><p class=row>one line</p>"));
await once(bare.listen(0, "127.0.0.1"), "listening");
const bareUrl = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (bare.address()).port}/`;

const world = new World();
const browser = await launch();
/** @type {Record<string, string | number>} */
const found = {};
try {
  const log = world.log("app.log");
  log.write(5000, line);
  const base = await world.start();
  const context = await browser.newContext({ viewport: { width: 1200, height: 700 } });

  /** @type {number[]} */
  const firsts = [];
  /** @type {number[]} */
  const bares = [];
  /** @type {number[]} */
  const colds = [];
  for (let round = 0; round < 21; round++) {
    bares.push(await firstRow(context, bareUrl));
    firsts.push(await firstRow(context, base));
    const stranger = await browser.newContext({ viewport: { width: 1200, height: 700 } });
    colds.push(await firstRow(stranger, base));
    await stranger.close();
  }
  bare.close();
  found["a page of one line and nothing else, median, ms"] = Math.round(quantile(bares, 0.5));
  found["first lines after navigation, nothing in the cache, median, ms"] = Math.round(quantile(colds, 0.5));
  found["first lines after navigation, median, ms"] = Math.round(quantile(firsts, 0.5));

  const page = await context.newPage();
  await page.goto(base);
  await page.locator(".row").first().waitFor();
  await page.evaluate(() => {
    const own = /** @type {any} */ (globalThis);
    own.tasks = [];
    own.frames = [];
    new PerformanceObserver((list) => own.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
    // How long after it was due does a timer run: every task of the page, long or not, is in the way of some.
    own.lags = [];
    let due = performance.now() + 20;
    setInterval(() => {
      own.lags.push(Math.max(0, performance.now() - due));
      due = performance.now() + 20;
    }, 20);
  });
  const before = await heap(page);
  const writer = spawn(process.execPath, ["-e", WRITER, log.file, String(RATE), String(SECONDS), "5000"], { stdio: "inherit" });
  /** @type {number[]} */
  const heaps = [];
  for (let sixth = 0; sixth < 6; sixth++) {
    await page.waitForTimeout((SECONDS * 1000) / 6);
    heaps.push(await heap(page));
  }
  if (writer.exitCode === null) await new Promise((done) => writer.on("exit", done));
  await page.waitForFunction((last) => [...document.querySelectorAll(".row")].some((row) => row.textContent?.includes(last)), `/orders/${5000 + RATE * SECONDS - 1}?`, { timeout: 10_000 });
  const { tasks, lags } = await page.evaluate(() => ({ tasks: /** @type {number[]} */ (/** @type {any} */ (globalThis).tasks), lags: /** @type {number[]} */ (/** @type {any} */ (globalThis).lags) }));
  found[`lines in ${SECONDS} s`] = RATE * SECONDS;
  found["tasks over 50 ms"] = tasks.length;
  found["the longest, ms"] = Math.round(Math.max(0, ...tasks));
  found["in the way of a timer, p95, ms"] = Math.round(quantile(lags, 0.95));
  found["in the way of a timer, p99, ms"] = Math.round(quantile(lags, 0.99));
  found["heap before, MB"] = before;
  found["heap, each sixth of the time, MB"] = heaps.join(" ");

  found["elements in the list"] = await page.evaluate(() => document.querySelectorAll("#rows *").length);
  const frames = await page.evaluate(async () => {
    const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
    lines.scrollTop = lines.scrollHeight / 2;
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    await frame();
    /** @type {number[]} */
    const took = [];
    for (let last = performance.now(), step = 0; step < 300; step++) {
      lines.scrollTop += step % 2 ? 700 : 140;
      await frame();
      took.push(performance.now() - last);
      last = performance.now();
    }
    return took;
  });
  found["rows scrolled through"] = String(await page.locator("#place").textContent());
  found["frame while scrolling, p50, ms"] = Number(quantile(frames, 0.5).toFixed(1));
  found["frame while scrolling, p95, ms"] = Number(quantile(frames, 0.95).toFixed(1));
} finally {
  await browser.close();
  await world.stop();
}
for (const [what, value] of Object.entries(found)) console.log(`${String(value).padStart(22)}  ${what}`);
