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
