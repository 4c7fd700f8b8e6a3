// What can be asked for by name or time, and what can be taken along.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { each, open, until } from "./world.js";

const own = each();
const RULE = `
[[event]]
name = "update"
match = 'price (?P<symbol>[A-Z]+) (?P<price>[0-9.]+)'
`;

/** @param {import("playwright-core").Page} page @param {string} text */
async function find(page, text) {
  await page.locator("#find").fill(text);
  await page.locator("#find").press("Enter");
}

test("event: shows only what a rule gave that name, and what comes then", async () => {
  const { world, context } = own;
  fs.writeFileSync(path.join(world.folder, "sidetail.toml"), RULE);
  const log = world.log("app.log");
  const line = (/** @type {number} */ number) => (number % 5 ? `INFO order ${number}` : `INFO price ACME ${number}.25`);
  log.write(100, line);
  const page = await open(context, await world.start(["--config", "@/sidetail.toml", "@/*.log"]));
  await until(page, (lines) => lines.length === 100, "all");
  const named = () => log.written.filter((line) => line.includes("price"));
  await find(page, "event:update");
  assert.deepEqual(await until(page, (lines) => lines.length === 20, "those"), named());
  assert.deepEqual([...new Set(await page.locator(".row .badge").allTextContents())], ["update"]);
  log.write(10, line);
  assert.deepEqual(await until(page, (lines) => lines.length === 22, "new ones"), named());
  assert.equal(await page.locator(".row .badge").count(), await page.locator(".row").count());
});

test("since:15m starts a quarter of an hour ago, and goes on with what comes", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const start = Date.now() - 60 * 60_000 - 30_000;
  const line = (/** @type {number} */ number) => `${new Date(start + number * 60_000).toISOString()} INFO minute ${number}`;
  log.write(61, line);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 61, "all");
  await find(page, "since:15m");
  assert.deepEqual(await until(page, (lines) => lines.length === 15, "the last quarter of an hour"), log.written.slice(-15));
  log.write(1, () => `${new Date().toISOString()} INFO now`);
  assert.deepEqual(await until(page, (lines) => lines.length === 16, "and now"), log.written.slice(-16));
});

test("Ctrl+A and Ctrl+C take all lines, also those that are not in the document", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1000, (number) => (number % 100 ? `line ${number}` : `\x1b[31mline\x1b[0m ${number} <b>&amp; "more"`));
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 1000, "history");
  await page.locator("#lines").press("Control+a");
  await page.keyboard.press("Control+c");
  assert.ok((await page.locator(".row").count()) < 100);
  assert.deepEqual((await page.evaluate(() => navigator.clipboard.readText())).split("\n").slice(0, -1), log.written);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.getSelection()?.toString()), "");
  await find(page, "line");
  await page.locator("#find").press("Control+a");
  assert.equal(await page.evaluate(() => document.getSelection()?.toString()), "line", "in the box it selects what is in the box");
});
