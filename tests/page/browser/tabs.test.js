import assert from "node:assert/strict";
import { test } from "node:test";
import { DEADLINE_MS, allLines, each, open, says, until } from "./world.js";

const own = each();

test("with ten tabs open, each with another filter, all ten are live, and each reads its history", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const line = (/** @type {number} */ number) => `line ${String(number).padStart(6, "0")} for tab-${number % 10}.`;
  log.write(13_000, line);
  const base = await world.start();
  const wanted = (/** @type {number} */ tab) => log.written.filter((line) => line.includes(`tab-${tab}.`));
  const pages = [];
  for (let tab = 0; tab < 10; tab++) pages.push(await open(context, `${base}?q=tab-${tab}.`));
  for (const page of pages) await says(page, "#state", /^Live$/);
  for (const rotates of [false, true]) {
    if (rotates) log.rotate();
    log.write(10, line);
    for (const [tab, page] of pages.entries()) {
      await page.bringToFront();
      await until(page, (lines) => lines.at(-1) === wanted(tab).at(-1), `a new line in tab ${tab}`);
    }
  }
  const subscribers = async () => (await (await fetch(`${base}logs`)).json()).subscribers;
  for (const deadline = Date.now() + DEADLINE_MS; (await subscribers()) > 4; ) assert.ok(Date.now() < deadline, "connections are left for others");
  for (const [tab, page] of pages.entries()) {
    await page.bringToFront();
    for (let turn = 0; !/from the first/.test(String(await page.locator("#place").textContent())); turn++) {
      assert.ok(turn < 200, `tab ${tab} comes to its first line`);
      await page.locator("#lines").press("g");
    }
    const lines = await until(page, (lines) => lines.length >= wanted(tab).length, `all lines in tab ${tab}`);
    assert.deepEqual(lines.filter((text) => text.startsWith("line")), wanted(tab));
  }
});

test("ten tabs with ten filters lose and double nothing while the agent is killed and much is written", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const line = (/** @type {number} */ number) => `line ${String(number).padStart(6, "0")} for tab-${number % 10}.`;
  log.write(100, line);
  const base = await world.start();
  const wanted = (/** @type {number} */ tab) => log.written.filter((line) => line.includes(`tab-${tab}.`));
  const pages = [];
  for (let tab = 0; tab < 10; tab++) pages.push(await open(context, `${base}?q=tab-${tab}.`));
  for (const page of pages) await says(page, "#state", /^Live$/);
  await world.kill();
  for (const page of pages) await says(page, "#state", /(Reconnecting|Agent away): again in|Connecting/);
  log.write(3000, line);
  log.rotate();
  await world.start();
  for (let piece = 0; piece < 20; piece++) log.write(200, line);
  for (const [tab, page] of pages.entries()) {
    await page.bringToFront();
    await until(page, (lines) => lines.length >= wanted(tab).length, `all lines in tab ${tab}`);
    assert.deepEqual((await allLines(page)).filter((text) => text.startsWith("line")), wanted(tab));
    await says(page, "#state", /^Live$/);
  }
});

test("a hidden tab without SharedWorker leaves its connection to others, and is live all the same", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  await context.addInitScript(() => delete (/** @type {any} */ (globalThis).SharedWorker));
  const base = await world.start();
  const page = await open(context, base);
  await says(page, "#state", /^Live$/);
  const subscribers = async () => (await (await fetch(`${base}logs`)).json()).subscribers;
  const show = (/** @type {boolean} */ shown) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, !shown);
  for (const shown of [false, true, false]) {
    await show(shown);
    for (const deadline = Date.now() + DEADLINE_MS; (await subscribers()) !== Number(shown); ) assert.ok(Date.now() < deadline, "in time");
    log.write(5);
    assert.deepEqual(await until(page, (lines) => lines.length === log.written.length, "new lines"), log.written);
  }
});
