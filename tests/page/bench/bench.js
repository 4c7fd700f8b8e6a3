// Measures the page in Chromium with a real agent and real files: `node tests/page/bench/bench.js [SECONDS]`, after
// `cargo build --release`. Prints what it measured beside what is promised. Fails where what can be counted is wrong: a
// line that is missing, doubled or out of order, elements that become more, memory that grows. Times are printed, met or
// unmet, and fail nothing: another machine, or a busy one, has others.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { follow, newestRows, scroll, watchFrames, watchRows, whenFirstRow } from "./probes.js";

process.env.SIDETAIL ??= path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../target/release/sidetail");
const { World, launch } = await import("../browser/world.js");

const SECONDS = Number(process.argv[2] ?? 60);
const RATE = 10_000;
const BURST_MS = 20;
const BEFORE = 5000;
const VIEWPORT = { width: 1200, height: 700 };
/** So long the last line may take, on whatever machine. */
const DEADLINE_MS = 120_000;
/** The rows in the document: those in view, eight above and eight below, and some that are on their way in or out. */
const ROWS_MAX = 60;
/** From so long a run on the tab holds all the rows that it may before half of it is over. */
const FULL_SECONDS = 45;
const HEAP_GROWS_MAX = 1.25;

/** @param {number[]} values @param {number} share */
const quantile = (values, share) => [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
/** @param {number[]} values @param {number} [digits] */
const spread = (values, digits = 1) => `${quantile(values, 0.5).toFixed(digits)} and ${quantile(values, 0.95).toFixed(digits)}`;

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

/** @type {[value: string, what: string, target: string][]} */
const found = [];
/** @type {string[]} */
const broken = [];
/** @param {string} what @param {string | number} value @param {string} [target] in words @param {boolean} [met] */
const tell = (what, value, target, met) => found.push([String(value), what, target ? `${target}: ${met ? "met" : "unmet"}` : ""]);
/** Like {@link tell}, of what has nothing to do with how busy the machine is. @param {string} what @param {string | number} value @param {string} target @param {boolean} met */
const hold = (what, value, target, met) => {
  tell(what, value, target, met);
  if (!met) broken.push(`${what}: ${value}, and not ${target}`);
};

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
  await page.addInitScript(whenFirstRow);
  await page.goto(url);
  await page.waitForFunction(() => "firstRow" in globalThis, null, { polling: 20 });
  const took = await page.evaluate(() => /** @type {number} */ (/** @type {any} */ (globalThis).firstRow));
  await page.close();
  return took;
}

/** What no page can do better: a page of one line, without style or code; and one of many lines that nobody makes anew. */
const bare = http.createServer((request, answer) => {
  const many = Array.from({ length: 5000 }, (_, number) => line(number)).join("\n");
  const body = request.url === "/many" ? `<pre id="lines" style="height:560px;overflow:auto;font:12.5px/20px monospace">${many}</pre>` : "<p class=row>one line</p>";
  answer.setHeader("Content-Type", "text/html").end(`<!doctype html><title>bare</title>${body}`);
});

/** @param {import("playwright-core").Browser} browser @param {string} base @param {string} bareUrl */
async function firstLines(browser, base, bareUrl) {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const [firsts, bares, colds] = /** @type {number[][]} */ ([[], [], []]);
  for (let round = 0; round < Math.min(21, Math.max(3, SECONDS)); round++) {
    bares.push(await firstRow(context, bareUrl));
    firsts.push(await firstRow(context, base));
    const stranger = await browser.newContext({ viewport: VIEWPORT });
    colds.push(await firstRow(stranger, base));
    await stranger.close();
  }
  await context.close();
  const median = (/** @type {number[]} */ values) => Math.round(quantile(values, 0.5));
  tell("first lines after navigation, median, ms", median(firsts), "under 200", median(firsts) < 200);
  tell("… with nothing in the cache, median, ms", median(colds), "under 200", median(colds) < 200);
  tell("… a page of one line and nothing else, median, ms", median(bares));
}

/** Lines come for SECONDS. @param {import("playwright-core").Page} page @param {string} file */
async function flood(page, file) {
  await page.evaluate(follow);
  const before = await heap(page);
  const writer = spawn(process.execPath, ["-e", WRITER, file, String(RATE), String(SECONDS), String(BEFORE)], { stdio: "inherit" });
  const [heaps, rows] = /** @type {number[][]} */ ([[], []]);
  for (let sixth = 0; sixth < 6; sixth++) {
    await page.waitForTimeout((SECONDS * 1000) / 6);
    heaps.push(await heap(page));
    rows.push(await page.locator("#rows .row").count());
  }
  if (writer.exitCode === null) await new Promise((done) => writer.on("exit", done));
  const last = BEFORE + RATE * SECONDS - 1;
  await page.locator(".row", { hasText: `/orders/${last}?` }).waitFor({ timeout: DEADLINE_MS });
  const { tasks, lags, order } = await page.evaluate(() => /** @type {{tasks: number[], lags: number[], order: {count: number, wrong: string[]}}} */ (/** @type {any} */ (globalThis).own));
  const held = await page.evaluate(newestRows);
  hold(`lines that came in ${SECONDS} s`, order.count, `${RATE * SECONDS}, each once and in order`, order.count === RATE * SECONDS && order.wrong.length === 0);
  broken.push(...order.wrong);
  hold("lines that the tab holds", held.count, "without a hole up to the last", held.wrong.length === 0 && held.last === last);
  broken.push(...held.wrong);
  hold("rows in the document, each sixth of the time", rows.join(" "), `${ROWS_MAX} at most`, rows.every((count) => count > 0 && count <= ROWS_MAX));
  const late = quantile(lags, 0.95);
  tell("a timer of the page is late by, p50 and p95, ms", spread(lags), "under 50 at p95", late < 50);
  tell("… p99 and most, ms", `${quantile(lags, 0.99).toFixed(1)} and ${Math.max(0, ...lags).toFixed(1)}`);
  tell("tasks over 50 ms, and the longest, ms", `${tasks.length} and ${Math.round(Math.max(0, ...tasks))}`);
  tell("heap before, MB", before);
  const grows = heaps[5] / heaps[2];
  if (SECONDS >= FULL_SECONDS) hold("heap, each sixth of the time, MB", heaps.join(" "), "flat once the tab is full", grows <= HEAP_GROWS_MAX);
  else tell("heap, each sixth of the time, MB", heaps.join(" "));
}

/** @param {import("playwright-core").Page} page @param {string} bareUrl */
async function frames(page, bareUrl) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const used = async () => Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value * 1000]));
  const plain = await page.context().newPage();
  await plain.goto(bareUrl);
  for (const tab of [page, plain]) await tab.evaluate(watchFrames);
  tell("rows scrolled through", String(await page.locator("#place").textContent()));
  for (const [how, steps] of /** @type {[string, number[]][]} */ ([["quickly, 120 pixels a frame", [120]], ["in leaps, every second frame all rows are others", [140, 700]]])) {
    await page.bringToFront();
    const before = await used();
    const { took, own, rows, moved } = await page.evaluate(scroll, steps);
    const after = await used();
    const each = (/** @type {string} */ name) => ((after[name] - before[name]) / took.length).toFixed(1);
    tell(`${how}: a frame, p50 and p95, ms`, spread(took), "at 60 a second, within a tenth", quantile(took, 0.95) < 1100 / 60);
    tell("… of it the page's own code with layout, p50 and p95, ms", spread(own));
    tell("… of a processor the page's thread, of it layout, style, script: mean, ms", ["TaskDuration", "LayoutDuration", "RecalcStyleDuration", "ScriptDuration"].map(each).join(" "));
    const asked = took.reduce((sum, _, step) => sum + steps[step % steps.length], 0);
    hold("… pixels scrolled", moved, String(asked), Math.abs(moved - asked) <= 1);
    hold("… rows in the document, at most", Math.max(...rows), `${ROWS_MAX} at most`, Math.min(...rows) > 0 && Math.max(...rows) <= ROWS_MAX);
    await plain.bringToFront();
    tell("… a page of 5,000 plain lines without code, p50 and p95, ms", spread((await plain.evaluate(scroll, steps)).took));
  }
  await plain.close();
}

await once(bare.listen(0, "127.0.0.1"), "listening");
const bareUrl = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (bare.address()).port}/`;
const world = new World();
const browser = await launch();
try {
  const log = world.log("app.log");
  log.write(BEFORE, line);
  const base = await world.start();
  await firstLines(browser, base, bareUrl);
  const context = await browser.newContext({ viewport: VIEWPORT });
  const page = await context.newPage();
  page.on("pageerror", (error) => broken.push(String(error)));
  await page.addInitScript(watchRows);
  await page.goto(base);
  await page.locator("#state[data-kind=live]").waitFor();
  await page.locator(".row").first().waitFor();
  await flood(page, log.file);
  await frames(page, `${bareUrl}many`);
} finally {
  bare.close();
  await browser.close();
  await world.stop();
}
const widest = Math.max(...found.map(([value]) => value.length));
for (const [value, what, target] of found) console.log(`${value.padStart(widest)}  ${what}${target ? ` (${target})` : ""}`);
for (const what of broken) console.error(`broken: ${what}`);
process.exitCode = broken.length > 0 ? 1 : 0;
