// What the page says when there is nothing to see, or nobody to ask.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { allLines, each, open, says, until } from "./world.js";

const own = each();
/** Root reads everything, but for who gave that up. */
const AS_ANYBODY = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];

/** Lines without what the page says between them: that a log appeared. @param {string[]} lines */
const records = (lines) => lines.filter((line) => line.startsWith("line "));

test("an agent that stays away is said to be away, and how soon it is asked again; the page goes on once it is back", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(10);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 10, "the first lines");
  await says(page, "#state", /^Live$/);
  await world.kill();
  await says(page, "#state", /^Reconnecting: again in \d+ s$/);
  log.write(20);
  await says(page, "#state", /^Agent away: again in \d+ s$/);
  assert.equal(await page.locator("#state").getAttribute("data-kind"), "waiting");
  assert.deepEqual(await allLines(page), log.written.slice(0, 10), "what is there stays");
  log.write(20);
  await world.start();
  assert.deepEqual(await until(page, (lines) => lines.length >= 50, "what was written meanwhile"), log.written);
  await says(page, "#state", /^Live$/);
  log.write(5);
  assert.deepEqual(await until(page, (lines) => lines.length >= 55, "live lines"), log.written);
});

test("a log that may not be read says so, and shows its lines once it may", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  fs.chmodSync(log.file, 0);
  world.by = AS_ANYBODY;
  const page = await open(context, await world.start(["app=@/app.log"]));
  await says(page, "#empty", /^No line yet.*app: .*app\.log can't be read: .*[Pp]ermission denied/);
  fs.chmodSync(log.file, 0o600);
  assert.deepEqual(records(await until(page, (lines) => records(lines).length === 5, "its lines")), log.written);
  assert.equal(await page.locator("#empty").isVisible(), false);
});

test("where no file fits the patterns it says so, and files that come are found", async () => {
  const { world, context } = own;
  const page = await open(context, await world.start(["@/none-*.log"]));
  await says(page, "#empty", /^No line yet.*none-\*\.log: no file fits it yet/);
  world.log("other.log").write(3);
  const log = world.log("none-1.log");
  log.write(3);
  assert.deepEqual(records(await until(page, (lines) => records(lines).length === 3, "its lines")), log.written);
  assert.equal(await page.locator("#empty").isVisible(), false);
});
