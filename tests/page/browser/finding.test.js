import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { each, open, says, until } from "./world.js";

const own = each();
/** @typedef {import("playwright-core").Page} Page */

/** A log in which something is to be found. @param {number} number */
const story = (number) => {
  const level = number % 50 === 7 ? "ERROR" : number % 10 === 3 ? "WARN" : "INFO";
  return `2026-11-22T10:00:${String(number % 60).padStart(2, "0")}.000Z ${level} order=${number} ${number % 2 ? "paid" : "sent"} by client-${number % 7}`;
};

/** @param {Page} page @param {string} text */
async function find(page, text) {
  await page.locator("#find").fill(text);
  await page.locator("#find").press("Enter");
}

/** The first lines that a command prints, which goes on for ever. @param {string} command @param {number} count */
async function printed(command, count) {
  const shell = spawn("sh", ["-c", `exec ${command}`], { stdio: ["ignore", "pipe", "ignore"] });
  const lines = [];
  for await (const line of createInterface({ input: shell.stdout })) if (lines.push(line) === count) break;
  shell.kill();
  return lines;
}

test("a search that takes long says how far back it came, and of how much", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1, () => "needle");
  const base = await world.start();
  // As much as no answer searches to its beginning. What is tried line by line takes longest.
  const pattern = String.raw`\Aneedle`;
  const goesOn = async () => {
    const answer = await fetch(new URL(`events?before=end&tail=1&follow=false&match=${encodeURIComponent(pattern)}`, base));
    return !(await answer.text()).includes("needle");
  };
  const chunk = "some hay\n".repeat(50_000);
  do fs.appendFileSync(log.file, chunk);
  while (!(await goesOn()));
  fs.appendFileSync(log.file, chunk);
  const { size } = fs.statSync(log.file);
  const page = await open(context, new URL("?q=", base).href);
  let release = () => {};
  const held = new Promise((done) => (release = () => done(null)));
  // The first answer says how far it came; what goes on from there is held until that is read.
  await page.route(/[?&]before=1/, (route) => held.then(() => route.continue()));
  await find(page, `/${pattern}/`);
  await says(page, "#older", /^Searching older lines: [\d.]+ [kM]B of [\d.]+ MB$/);
  const said = [...String(await page.locator("#older").textContent()).matchAll(/([\d.]+) ([kM])B/g)];
  const [reached, all] = said.map(([, number, unit]) => Number(number) / (unit === "k" ? 1000 : 1));
  assert.ok(Math.abs(all - size / 1e6) < 0.6, `${all} of ${size}`);
  assert.ok(reached < all, `${reached} of ${all}`);
  const part = await page.locator("#progress.part").evaluate((bar) => parseFloat(/** @type {HTMLElement} */ (bar).style.getPropertyValue("--part")));
  assert.ok(Math.abs(part - (100 * reached) / all) < 10, `${part} % of the bar`);
  release();
  await page.locator(".row", { hasText: "needle" }).waitFor();
  await says(page, "#older", /^$/);
  assert.equal(await page.locator("#progress.part").count(), 0);
});

test("words, -words and expressions filter on the server, history and live alike", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(2000, story);
  log.rotate();
  log.write(500, story);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 200, "history");
  await find(page, "level:warn PAID -/client-[0-3]/");
  const wanted = (/** @type {string[]} */ lines) => lines.filter((line) => /WARN|ERROR/.test(line) && /PAID/.test(line));
  await page.locator("#empty").waitFor();
  assert.match(String(await page.locator("#empty").textContent()), /No line matches/);
  await page.locator("#histogram[aria-label='No lines']").waitFor();
  assert.deepEqual(wanted(log.written), []);
  await page.locator("#empty button", { hasText: "Show all lines" }).click();
  await until(page, (lines) => lines.length >= 200, "all lines");
  await page.goBack();
  await says(page, "#empty", /No line matches/);
  await find(page, "level:warn paid -/client-[0-3]/");
  const matches = () => log.written.filter((line) => /WARN|ERROR/.test(line) && /paid/.test(line) && !/client-[0-3]/.test(line));
  assert.deepEqual(await until(page, (lines) => lines.length >= matches().length, "all that match"), matches());
  log.write(200, story);
  assert.deepEqual(await until(page, (lines) => lines.length >= matches().length, "new ones too"), matches());
  await says(page, "#count", new RegExp(`^${matches().length}$`));
  assert.equal(new URL(page.url()).searchParams.get("q"), "level:warn paid -/client-[0-3]/");
  await page.goBack();
  await says(page, "#empty", /No line matches/);
  await page.reload();
  await says(page, "#empty", /No line matches/);
});

test("Escape leaves the box and what is looked for as they are", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(100, story);
  const page = await open(context, `${await world.start()}?q=paid`);
  await until(page, (lines) => lines.length === 50, "those that match");
  await page.locator("#find").pressSequentially(" and");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement?.id === "lines");
  log.write(2, story);
  assert.equal((await until(page, (lines) => lines.length === 51, "a line that comes")).length, 51);
  assert.equal(await page.locator("#find").inputValue(), "paid");
  assert.equal(new URL(page.url()).search, "?q=paid");
});

test("what is wrong with a filter is said in a sentence, by the page or the server", async () => {
  const { world, context } = own;
  world.log("app.log").write(5, story);
  const page = await open(context, await world.start());
  await page.locator("#histogram[aria-label^='5 lines']").waitFor();
  await find(page, "/a(b/");
  await says(page, "#refusal", /the pattern "a\(b" is no regular expression: unclosed group/);
  assert.equal(await page.locator("#find").getAttribute("aria-invalid"), "true");
  await page.locator("#histogram[aria-label='No lines']").waitFor();
  await find(page, "log:nonesuch");
  await says(page, "#refusal", /there is no log "nonesuch"; there are: app/);
  await find(page, "level:");
  await says(page, "#refusal", /level: wants a value/);
  await find(page, "");
  await says(page, "#refusal", /^$/);
  await until(page, (lines) => lines.length === 5, "all lines again");
});

test("highlighting marks what is found, counts it and goes from one to the next, and hides nothing", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(150, story);
  const page = await open(context, await world.start());
  await find(page, "error");
  await until(page, (lines) => lines.length === 3, "those that match");
  await page.locator("#lines").press("f");
  await until(page, (lines) => lines.length === 150, "all");
  await says(page, "#count", /^3$/);
  await page.locator("#lines").press("N");
  await says(page, ".row.selected", /order=107 /);
  await page.keyboard.press("N");
  await says(page, ".row.selected", /order=57 /);
  await page.keyboard.press("n");
  await says(page, ".row.selected", /order=107 /);
  assert.ok(await page.evaluate(() => /** @type {any} */ (CSS).highlights.get("found")?.size > 0));
  await page.keyboard.press("E");
  await says(page, ".row.selected", /order=57 /);
});

test("a line that a key goes to stays in view, whatever glides on from before", async () => {
  const { world, context } = own;
  world.log("app.log").write(3000);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length >= 1100, "history");
  await page.mouse.move(600, 400);
  for (let turn = 0; turn < 5; turn++) {
    for (let up = 0; up < 6; up++) await page.locator("#lines").press("PageUp");
    await page.mouse.wheel(0, -1500);
    await page.waitForFunction(() => document.getElementById("follow")?.textContent === "Paused");
    await page.keyboard.press("k");
    // Until a scrolling that went on would have ended.
    const inView = await page.evaluate(async () => {
      const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      for (let still = 0, top = NaN; still < 20; still = lines.scrollTop === top ? still + 1 : 0, top = lines.scrollTop) await frame();
      const [row, view] = [document.querySelector(".row.selected")?.getBoundingClientRect(), lines.getBoundingClientRect()];
      return row !== undefined && row.top >= view.top && row.bottom <= view.bottom;
    });
    assert.ok(inView, `turn ${turn}`);
  }
});

test("a link to a row shows it between its neighbours after a rotation, and reading on loses and doubles nothing", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3000);
  const base = await world.start();
  const page = await open(context, base);
  await until(page, (lines) => lines.length >= 1100, "history");
  for (let up = 0; up < 12; up++) await page.locator("#lines").press("PageUp");
  await page.keyboard.press("k");
  const chosen = String(await page.locator(".row.selected .text").textContent());
  await page.keyboard.press("y");
  await says(page, "#hint", /Link copied/);
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /\?at=1/);
  log.rotate();
  log.write(1500);
  const other = await open(context, link);
  await says(other, ".row.selected .text", new RegExp(chosen.replace(/\W/g, ".")));
  await says(other, "#live", /behind: skip to live|Go to live/);
  for (let turn = 0; (await other.locator("#live").isVisible()) && turn < 400; turn++) {
    await other.locator("#lines").press("PageDown");
    await other.evaluate(() => /** @type {HTMLElement} */ (document.getElementById("lines")).scrollTo(0, 1e9));
    await other.waitForTimeout(20);
  }
  log.write(10);
  const lines = (await until(other, (lines) => lines.at(-1) === log.written.at(-1), "live lines")).filter((line) => line.startsWith("line"));
  assert.deepEqual(lines, log.written.slice(-lines.length));
  assert.ok(lines.length > 1500);
});

test("a row of a filtered view opens its context, and back is the filter", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(300, story);
  const page = await open(context, await world.start());
  await find(page, "error");
  await until(page, (lines) => lines.length === 6, "those that match");
  await page.locator("#lines").press("k");
  const chosen = String(await page.locator(".row.selected .text").textContent());
  await page.keyboard.press("c");
  await until(page, (lines) => lines.length > 200, "its neighbours");
  await page.locator(".row.selected .text", { hasText: chosen.replace("▸", "") }).waitFor();
  await page.goBack();
  await until(page, (lines) => lines.length === 6, "the filter again");
});

test("since: starts at a time; a range chosen in the histogram becomes a filter", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const base = Date.now() - 3_600_000;
  log.write(600, (number) => `${new Date(base + number * 5000).toISOString()} INFO line ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 600, "history");
  await find(page, `since:${new Date(base + 1_000_000).toISOString()}`);
  const since = await until(page, (lines) => lines.length === 400, "since then");
  assert.equal(since[0], log.written[200]);
  await page.locator("#histogram[aria-label^='400 lines']").waitFor();
  await find(page, "");
  await until(page, (lines) => lines.length === 600, "history");
  await page.locator("#histogram[aria-label^='600 lines']").waitFor();
  const box = /** @type {any} */ (await page.locator("#histogram").boundingBox());
  await page.mouse.move(box.x + box.width * 0.25, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 10, { steps: 4 });
  await page.mouse.up();
  const chosen = await until(page, (lines) => lines.length > 100 && lines.length < 200, "a quarter");
  assert.match(await page.locator("#find").inputValue(), /^since:\S+Z until:\S+Z$/);
  assert.ok(log.written.join("\n").includes(chosen.join("\n")));
  await find(page, "");
  await until(page, (lines) => lines.length === 600, "history");
  await says(page, "#from", /\d\d:\d\d:\d\d/);
  await page.mouse.click(box.x + box.width * 0.5, box.y + 10);
  await says(page, "#follow", /Paused/);
});

test("the curl command and the download give what the page shows", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(100, story);
  const page = await open(context, await world.start());
  await find(page, "it's OR paid".replace("it's OR ", "") + " -client-1");
  const shown = await until(page, (lines) => lines.length > 10 && lines.length < 50, "those that match");
  await page.locator("#lines").press("u");
  await says(page, "#hint", /Command copied/);
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.deepEqual(await printed(command, shown.length), shown);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#lines").press("d")]);
  assert.equal(download.suggestedFilename(), "sidetail.log");
  assert.deepEqual(fs.readFileSync(await download.path(), "utf8").trim().split("\n"), shown);
});

test("several logs are one list by time, each with its name, and one can be chosen", async () => {
  const { world, context } = own;
  const line = (/** @type {string} */ log) => (/** @type {number} */ number) => `2026-11-22T10:${String(Math.floor(number / 60)).padStart(2, "0")}:${String(number % 60).padStart(2, "0")}.${log === "a" ? "100" : "600"}Z ${log} ${number}`;
  world.log("a.log").write(400, line("a"));
  world.log("b.log").write(400, line("b"));
  const page = await open(context, await world.start());
  const lines = await until(page, (lines) => lines.length >= 800, "both");
  assert.deepEqual(lines, [...lines].sort());
  await page.locator(".row .log").first().waitFor();
  assert.deepEqual([...new Set(await page.locator(".row .log").allTextContents())].sort(), ["a.log", "b.log"]);
  await page.locator("#log").selectOption("b.log");
  assert.equal((await until(page, (lines) => lines.length === 400, "one"))[0], line("b")(0));
  assert.equal(await page.locator("#find").inputValue(), "log:b.log");
  assert.equal(await page.locator(".row .log").count(), 0);
});

