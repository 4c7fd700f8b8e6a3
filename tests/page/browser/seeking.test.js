import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { each, open, says, until } from "./world.js";

const own = each();
/** @typedef {import("playwright-core").Page} Page */

const TRACE = ["ERROR failed", "java.io.IOException: stalled", "\tat a.B.c(B.java:1)", "Caused by: java.lang.Error: needle", "\tat a.B.d(B.java:2)"];

/** @param {Page} page @param {string} text */
async function find(page, text) {
  await page.locator("#find").fill(text);
  await page.locator("#find").press("Enter");
}

/** The first lines that a command prints, which goes on for ever. @param {string} command @param {number} count @param {Record<string, string>} [env] */
async function printed(command, count, env) {
  const shell = spawn("sh", ["-c", `exec ${command}`], { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...env } });
  const lines = [];
  for await (const line of createInterface({ input: shell.stdout })) if (lines.push(line) === count) break;
  shell.kill();
  return lines;
}

/** @param {Page} page */
async function copied(page) {
  await page.locator("#lines").press("u");
  await says(page, "#hint", /Command copied/);
  return page.evaluate(() => navigator.clipboard.readText());
}

/** The lines of which something is in view. @param {Page} page */
function inView(page) {
  return page.evaluate(() => {
    const view = /** @type {HTMLElement} */ (document.getElementById("lines")).getBoundingClientRect();
    const rows = [...document.querySelectorAll(".row")].filter((row) => row.getBoundingClientRect().bottom > view.top + 1 && row.getBoundingClientRect().top < view.bottom - 1);
    return rows.map((row) => String(row.querySelector(".text")?.textContent).replace("▸", ""));
  });
}

test("all hits of a filter are seen, whatever they look like", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  for (let at = 0; at < 10; at++) {
    log.write(1, () => TRACE[0]);
    for (const line of TRACE.slice(1)) log.write(1, () => line);
  }
  const page = await open(context, `${await world.start()}?q=java`);
  await until(page, (lines) => lines.length === 40, "those that match");
  assert.equal(await page.locator(".row").count(), 40);
  log.write(1, () => "Caused by: java.lang.Error: new");
  await page.locator(".row", { hasText: "java.lang.Error: new" }).waitFor();
  assert.equal(await page.locator(".more").count(), 0);
});

test("a key, a link and a context that lead into a fold open it", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const story = () => [log.write(40, (number) => `INFO line ${number}`), TRACE.forEach((line) => log.write(1, () => line)), log.write(40, (number) => `INFO line ${number}`)];
  story();
  const base = await world.start();
  const page = await open(context, `${base}?q=needle&mode=highlight`);
  await until(page, (lines) => lines.length === 85, "history");
  await says(page, "#count", /^1$/);
  await page.locator("#lines").press("N");
  await says(page, ".row.selected", /needle/);
  await page.keyboard.press("y");
  await says(page, "#hint", /Link copied/);
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  for (const name of ["q", "mode"]) link.searchParams.delete(name);
  const other = await open(context, link.href);
  await says(other, ".row.selected", /needle/);
  await find(other, "needle");
  await says(other, "#place", / of 1 line\b/);
  await other.locator(".row").first().click();
  await other.keyboard.press("c");
  await until(other, (lines) => lines.length === 85, "its neighbours");
  await says(other, ".row.selected", /needle/);
  // An error that looks like a part of the line before it is gone to; the rest of a trace is not gone through.
  log.write(1, () => "INFO begins");
  log.write(1, () => "\tERROR indented");
  log.write(40, (number) => `INFO line ${number}`);
  await other.goto(base);
  await until(other, (lines) => lines.length === 127, "all");
  await other.locator("#lines").press("E");
  await says(other, ".row.selected", /ERROR indented/);
  await other.keyboard.press("E");
  await says(other, ".row.selected", /ERROR failed/);
  await other.keyboard.press("e");
  await says(other, ".row.selected", /ERROR indented/);
});

test("the next error and the next match are found wherever they are, or it is said that there is none", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const story = (/** @type {number} */ number) => `2026-11-22T10:00:00Z ${[500, 20_000].includes(number) ? "ERROR" : "INFO"} order ${number}`;
  log.write(12_000, story);
  log.rotate();
  log.write(12_000, story);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 1100, "history");
  await page.locator("#lines").press("e");
  await says(page, "#hint", /^No later error$/);
  await page.keyboard.press("E");
  await says(page, ".row.selected", /order 20000/);
  await says(page, "#live", /^[\d.]+ kB behind: skip to live$/);
  await page.keyboard.press("E");
  await says(page, ".row.selected", /order 500$/);
  await page.keyboard.press("E");
  await says(page, "#hint", /^No earlier error$/);
  await page.keyboard.press("e");
  await says(page, ".row.selected", /order 20000/);
  await page.goBack();
  await says(page, ".row.selected", /order 500$/);
  await find(page, "/order 1[57]00$/");
  await until(page, (lines) => lines.length === 2, "those that match");
  await page.locator("#lines").press("f");
  await until(page, (lines) => lines.length >= 1100, "all");
  await page.locator("#lines").press("N");
  await says(page, ".row.selected", /order 1700$/);
  await page.keyboard.press("N");
  await says(page, ".row.selected", /order 1500$/);
  await page.keyboard.press("N");
  await says(page, "#hint", /^No earlier match$/);
});

test("a search for the next error says that it runs, and Escape ends it", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3000, (number) => `${number === 5 ? "ERROR" : "INFO"} order ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 1100, "history");
  let asked = 0;
  await page.route(/level=error/, (route) => (asked++ > 0 ? route.continue() : undefined));
  await page.locator("#lines").press("E");
  await says(page, "#older", /^Searching older lines.* \(Esc stops\)$/);
  await page.keyboard.press("Escape");
  await says(page, "#older", /^$/);
  assert.equal(await page.locator(".row.selected").count(), 0);
  await page.keyboard.press("E");
  await says(page, ".row.selected", /order 5$/);
});

test("what is counted is what matches, and a plus says that more is not loaded", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const story = (/** @type {number} */ number) => `2026-11-22T10:00:00Z ${number % 2 ? "WARN" : "INFO"} order ${number}`;
  log.write(5000, story);
  const page = await open(context, `${await world.start(["app=@/app.log"])}?q=level:warn`);
  await says(page, "#count", /^1,\d00\+$/);
  for (let turn = 0; !/from the first/.test(String(await page.locator("#place").textContent())); turn++) {
    assert.ok(turn < 200, "it comes to the first line");
    await page.locator("#lines").press("g");
  }
  await says(page, "#count", /^2,500$/);
  // The last of them came above what was in view.
  await page.locator("#lines").press("g");
  await page.locator("#lines").press("n");
  await says(page, ".row.selected", /order 3$/);
  await world.kill();
  fs.unlinkSync(log.file);
  fs.writeFileSync(log.file, "2026-11-22T10:00:00Z WARN another life\n");
  await world.start();
  await until(page, (lines) => lines.at(-1)?.includes("another life") ?? false, "the new file");
  assert.equal((await until(page, (lines) => lines.some((line) => /missing here/.test(line)), "the gap")).length, 2502);
  await says(page, "#count", /^2,501$/);
});

test("the box, the address and what is shown agree: going to live leaves a time, and a place keeps to it", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const base = Date.now() - 3_600_000;
  const at = (/** @type {number} */ number) => new Date(base + number * 500).toISOString();
  log.write(6000, (number) => `${at(number)} INFO line ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 1100, "history");
  await find(page, `since:${at(1000)} line`);
  assert.match((await until(page, (lines) => lines.length >= 1000, "since then"))[0], /line 1000$/);
  await page.locator("#live").click();
  await until(page, (lines) => / line 5999$/.test(lines.at(-1) ?? ""), "the end");
  assert.equal(await page.locator("#find").inputValue(), "line");
  assert.equal(new URL(page.url()).search, "?q=line");
  await page.goBack();
  assert.match((await until(page, (lines) => lines.length >= 1000 && / line 1000$/.test(lines[0]), "since then"))[0], /line 1000$/);

  // A place in a range of time, as the address has it: no more than the range is read.
  await find(page, `since:${at(1000)} until:${at(1400)}`);
  const range = await until(page, (lines) => lines.length >= 400, "a range");
  await page.locator(".row", { hasText: "line 1002" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("at") === /** @type {HTMLElement} */ (document.querySelector(".row.selected")).dataset.id);
  await page.reload();
  await says(page, ".row.selected", /line 1002$/);
  await says(page, "#state", /^Up to a time, not live$/);
  const all = until(page, (lines) => lines.length >= range.length, "the range");
  for (let turn = 0; turn < 20; turn++) await page.locator("#lines").press("PageDown");
  assert.deepEqual(await all, range);
  await page.locator("#lines").press("g");
  assert.deepEqual(await until(page, (lines) => lines.length >= range.length, "the range"), range);
  // A link is to the row, whatever the time is when somebody follows it.
  await page.locator(".row", { hasText: "line 1002" }).click();
  await page.keyboard.press("y");
  await says(page, "#hint", /Link copied/);
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  assert.deepEqual([...link.searchParams.keys()], ["at"]);

  // What can't be asked for shows nothing.
  await find(page, "level:");
  await says(page, "#refusal", /level: wants a value/);
  await says(page, "#state", /^Request refused$/);
  await page.locator(".row").waitFor({ state: "detached" });
});

test("what is read since a time opens at its first line, wherever one stood before, and says how far behind it is", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const base = Date.now() - 3_600_000;
  const line = (/** @type {number} */ number) => `${new Date(base + number * 500).toISOString()} INFO line ${number} ${"x".repeat(400)}`;
  log.write(6000, line);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 1100, "history");
  log.write(300, line);
  await until(page, (lines) => lines.length >= 1400, "live lines");
  await page.locator("#lines").press("k");
  await says(page, "#follow", /Paused/);
  await find(page, `since:${new Date(base).toISOString()}`);
  await until(page, (lines) => lines.length >= 1000 && / line 0 /.test(lines[0]), "since then");
  assert.match((await inView(page))[0], / line 0 /);
  await says(page, "#live", /^2\.\d MB behind: skip to live$/);
  log.write(1, line);
  await says(page, "#live", /^1 new line, 2\.\d MB behind: skip to live$/);
});

test("the curl command begins at the first line in view, wherever that is", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5000, (number) => `${number % 2 ? "odd" : "even"} ${number}`);
  const page = await open(context, `${await world.start()}?q=odd`);
  await until(page, (lines) => lines.length >= 1100, "history");
  await page.locator("#lines").press("g");
  for (let turn = 0; turn < 5; turn++) await page.keyboard.press("PageDown");
  await says(page, "#follow", /Paused/);
  const paused = await inView(page);
  assert.deepEqual(await printed(await copied(page), 20), paused.slice(0, 20));
  log.rotate();
  log.write(10, (number) => `odd ${number}`);
  await page.locator(".row").nth(15).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.has("at"));
  await page.reload();
  await page.locator(".row.selected").waitFor();
  const linked = await inView(page);
  assert.deepEqual(await printed(await copied(page), 20), linked.slice(0, 20));
});

test("of several logs the curl command gives all that is in view", async () => {
  const { world, context } = own;
  const line = (/** @type {string} */ log) => (/** @type {number} */ number) => `2026-11-22T10:${String(Math.floor(number / 60)).padStart(2, "0")}:${String(number % 60).padStart(2, "0")}.${log === "a" ? "100" : "600"}Z ${log} ${number}`;
  for (const log of ["a", "b"]) world.log(`${log}.log`).write(1000, line(log));
  const page = await open(context, `${await world.start()}?time=off`);
  await until(page, (lines) => lines.length >= 1100, "history");
  for (let turn = 0; turn < 20; turn++) await page.locator("#lines").press("PageUp");
  const [first, ...rest] = await inView(page);
  const lines = await printed(await copied(page), 900);
  const from = lines.findIndex((line) => line.endsWith(first));
  assert.ok(from >= 0, `the first line in view is line ${from}`);
  for (const one of rest) assert.ok(lines.slice(from).some((line) => line.endsWith(one)), one);
});

test("where a token is asked for the curl command says where to put it", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  fs.writeFileSync(path.join(world.folder, "tokens"), "oncall 0123456789abcdef app*\n");
  const page = await open(context, await world.start(["@/*.log", "--token-file", "@/tokens"]));
  await page.fill("#token", "0123456789abcdef");
  await page.click("button");
  await until(page, (lines) => lines.length === 5, "history");
  const command = await copied(page);
  await says(page, "#hint", /^Command copied: your token belongs in \$SIDETAIL_TOKEN$/);
  assert.deepEqual(await printed(command, 5, { SIDETAIL_TOKEN: "0123456789abcdef" }), log.written);
});

test("who may read no log that is there is told so, and not what others may read", async () => {
  const { world, context } = own;
  world.log("app.log").write(5);
  fs.writeFileSync(path.join(world.folder, "tokens"), "oncall 0123456789abcdef web*\n");
  const page = await open(context, await world.start(["@/*.log", "@/more/*.log", "--token-file", "@/tokens"]));
  await page.fill("#token", "0123456789abcdef");
  await page.click("button");
  await says(page, "#empty", /^No line yetThere is no log yet that you may read\./);
});

test("times that say how long ago change in place: a selection and the focus stay", async () => {
  const { world, context } = own;
  const start = Date.now();
  world.log("app.log").write(3, (number) => `${new Date(start - number).toISOString()} INFO order=${number}`);
  const page = await open(context, `${await world.start()}?time=relative`);
  await until(page, (lines) => lines.length === 3, "history");
  await page.locator(".row .fold").first().click();
  await page.locator(".row.open .only").first().focus();
  const time = page.locator(".row .time").nth(2);
  const before = await page.evaluate(() => {
    const text = document.querySelectorAll(".row .text")[2];
    document.getSelection()?.selectAllChildren(text);
    return document.querySelectorAll(".row .time")[2].textContent;
  });
  await page.waitForFunction((before) => ![before, "now"].includes(String(document.querySelectorAll(".row .time")[2].textContent)), before);
  assert.match(String(await time.textContent()), /^\d+ s ago$/);
  assert.match(await page.evaluate(() => String(document.getSelection())), /order=2/);
  assert.equal(await page.evaluate(() => document.activeElement?.className), "only");
});

test("keys go where they say: / to the box, Escape back to the lines, j and k to a line", async () => {
  const { world, context } = own;
  world.log("app.log").write(50, (number) => `2026-11-22T10:00:00Z ${number === 30 ? "ERROR" : "INFO"} order ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 50, "history");
  await page.keyboard.press("/");
  await page.keyboard.type("order");
  assert.equal(await page.locator("#find").inputValue(), "order");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "lines");
  await page.keyboard.press("k");
  await says(page, ".row.selected", /order 48$/);
  await page.keyboard.press("j");
  await says(page, ".row.selected", /order 49$/);
  await page.keyboard.press("j");
  await says(page, "#hint", /^No later line$/);
  await page.keyboard.press("E");
  await says(page, ".row.selected", /order 30$/);
  await page.keyboard.press("/");
  await page.keyboard.type("x");
  assert.equal(await page.locator("#find").inputValue(), "x", "what was in it is replaced");
});

test("where there is no log the patterns are named, and what is in the way", async () => {
  const { world, context } = own;
  fs.mkdirSync(path.join(world.folder, "more"));
  fs.symlinkSync("loop.log", path.join(world.folder, "loop.log"));
  const page = await open(context, await world.start(["@/more/*.log", "@/nonesuch/*.log", "web=@/loop.log"]));
  await says(page, "#empty", /No line yet.*web: .*loop\.log can't be read: Too many levels.*more\/\*\.log: no file fits it yet.*nonesuch\/\*\.log: no file fits it yet/);
  world.log("more/a.log").write(1);
  await page.locator(".row.record").waitFor();
});

test("where nothing matches the filter is named; the histogram says of what it is", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3000, (number) => `2026-11-22T10:00:00Z INFO order ${number}`);
  const page = await open(context, `${await world.start()}?q=level:error+nonesuch`);
  await says(page, "#empty", /No line matches level:error nonesuch.*New ones appear here/);
  await find(page, "");
  await page.waitForFunction(() => /^1,100 lines, those that are loaded; there may be more\./.test(document.getElementById("histogram")?.title ?? ""));
  await find(page, "/order 1$/");
  await page.waitForFunction(() => /^1 line, all there are\./.test(document.getElementById("histogram")?.title ?? ""));
});
