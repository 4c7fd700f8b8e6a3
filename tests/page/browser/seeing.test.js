// What lines and the page look like, and to whom.

import assert from "node:assert/strict";
import { test } from "node:test";
import { each, open, until } from "./world.js";

const own = each();

test("a level that stands there as a number is shown as a word, and as it stands once the line is open", async () => {
  const { world, context } = own;
  world.log("app.log").write(6, (number) => JSON.stringify({ level: number * 10 + 10, time: 1_795_341_600_000 + number, pid: 7, msg: `order ${number}` }));
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 6, "history");
  const words = await page.locator(".row .text .level").allTextContents();
  assert.deepEqual(words, ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]);
  assert.equal(await page.locator(".row .level.l-error").textContent(), "ERROR", "in the colour of the word");
  await page.locator(".row", { hasText: "order 3" }).locator(".fold").click();
  const level = page.locator(".row.open .field", { hasText: "level" });
  assert.equal(await level.locator(".only").textContent(), "40");
});

test("a time that nobody can read is shown as it stands", async () => {
  const { world, context } = own;
  const times = ["2026-11-22T10:00:00.123Z", "last Tuesday", "32.13.2026 25:61", undefined];
  world.log("app.log").write(4, (number) => JSON.stringify({ time: times[number], level: "info", msg: `order ${number}` }));
  const page = await open(context, `${await world.start()}?time=utc`);
  await until(page, (lines) => lines.length === 4, "history");
  const shown = await page.locator(".row .time").allTextContents();
  assert.match(shown[0], /10:00:00\.123$/);
  assert.deepEqual(shown.slice(1), ["last Tuesday", "32.13.2026 25:61", ""]);
});

test("levels are a strip of colour beside the lines: warnings, and errors on a ground of their own", async () => {
  const { world, context } = own;
  const levels = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
  world.log("app.log").write(5, (number) => `2026-11-22T10:00:00Z ${levels[number]} order ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 5, "history");
  for (const theme of ["light", "dark", "contrast"]) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
    const looks = await page.locator(".row").evaluateAll((rows) => {
      const named = (/** @type {string} */ name) => getComputedStyle(document.body).getPropertyValue(name);
      const strip = (/** @type {Element} */ row) => getComputedStyle(row).borderLeftColor;
      return { strips: rows.map(strip), grounds: rows.map((row) => getComputedStyle(row).backgroundColor), warn: named("--bar-warn"), error: named("--bar-error"), width: getComputedStyle(rows[0]).borderLeftWidth };
    });
    const none = "rgba(0, 0, 0, 0)";
    assert.deepEqual(looks.strips, [none, none, looks.warn, looks.error, looks.error], theme);
    assert.notEqual(looks.warn, looks.error);
    assert.equal(looks.width, "3px");
    assert.equal(new Set(looks.grounds.slice(0, 3)).size, 1, "warnings have the ground of all");
    assert.equal(new Set(looks.grounds.slice(2)).size, 2, "errors another");
  }
});

test("logs that are shown together differ in colour, and keep it while more come", async () => {
  const { world, context } = own;
  const names = Array.from({ length: 8 }, (_, number) => `service-${number}`);
  for (const name of names) world.log(`${name}.log`).write(2, (number) => `2026-11-22T10:00:0${number}Z INFO ${name}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 16, "all");
  await page.locator(".row .log").nth(15).waitFor();
  const colours = async () => new Map(await page.locator(".row .log").evaluateAll((logs) => logs.map((log) => /** @type {[string, string]} */ ([log.textContent, getComputedStyle(log).color]))));
  const before = await colours();
  assert.deepEqual([before.size, new Set(before.values()).size], [8, 8]);
  world.log("service-3.log").write(5, () => "2026-11-22T10:00:09Z INFO again");
  await until(page, (lines) => lines.length === 21, "more");
  assert.deepEqual(await colours(), before);
});

test("where colours are forced, levels, marks and what is pressed can be told all the same", async () => {
  const { world, context } = own;
  const levels = ["INFO", "WARN", "ERROR"];
  world.log("app.log").write(6, (number) => `2026-11-22T10:00:00Z ${levels[number % 3]} order ${number}`);
  const page = await open(context, await world.start());
  await page.emulateMedia({ forcedColors: "active" });
  await until(page, (lines) => lines.length === 6, "history");
  const strips = await page.locator(".row").evaluateAll((rows) => rows.slice(0, 3).map((row) => `${getComputedStyle(row).borderLeftStyle} ${getComputedStyle(row).borderLeftColor}`));
  assert.equal(new Set(strips).size, 3, strips.join(", "));
  await page.locator(".row").nth(3).click();
  await page.keyboard.press("m");
  await page.locator(".row").nth(4).click();
  const outline = (/** @type {number} */ at) => page.locator(".row").nth(at).evaluate((row) => getComputedStyle(row).outlineStyle);
  assert.deepEqual([await outline(3), await outline(4), await outline(5)], ["dashed", "solid", "none"]);
  const pressed = page.locator("#wrap");
  const ground = () => pressed.evaluate((button) => getComputedStyle(button).backgroundColor);
  const before = await ground();
  await pressed.click();
  assert.notEqual(await ground(), before);
  assert.notEqual(await page.locator("#state").evaluate((state) => getComputedStyle(state, "::before").backgroundColor), await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
});

test("rows that come and go move no other: those that stay are not taken out and put in again", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(500);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 500, "history");
  await page.locator(".row", { hasText: log.written[499] }).waitFor();
  await page.evaluate(() => {
    const own = /** @type {any} */ (globalThis);
    own.put = 0;
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => (own.put += addedNodes.length))).observe(/** @type {Node} */ (document.getElementById("rows")), { childList: true });
  });
  log.write(3);
  await page.locator(".row", { hasText: log.written[502] }).waitFor();
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).put), 3);
});
