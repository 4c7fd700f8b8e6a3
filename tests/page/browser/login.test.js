import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { each, open, says, until } from "./world.js";

const own = each();

test("a browser logs in once, sees the logs of its token, and is told when it is logged out", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3);
  world.log("secret.log").write(3, () => "line of a secret");
  const tokens = path.join(world.folder, "tokens");
  fs.writeFileSync(tokens, "oncall 0123456789abcdef app*\n");
  const base = await world.start(["@/*.log", "--token-file", "@/tokens"]);
  const page = await open(context, `${base}?q=line`);
  assert.match(page.url(), /\/login\?q=line$/);
  await page.fill("#token", "not this one");
  await page.click("button");
  await page.getByText("This is no token of the token file.").waitFor();
  await page.fill("#token", "0123456789abcdef");
  await page.click("button");
  assert.deepEqual(await until(page, (lines) => lines.length === 3, "the lines of its log"), log.written);
  assert.equal(page.url(), `${base}?q=line`);
  await says(page, "#who", /^oncall$/);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the cookie");
  log.write(1);
  assert.deepEqual(await until(page, (lines) => lines.length === 4, "a line that comes"), log.written);

  // The token is taken away: the stream ends, and the page says what is to be done.
  fs.writeFileSync(tokens, "other 0123456789abcdef-other\n");
  await page.locator("#refusal a").press("Enter");
  await page.fill("#token", "0123456789abcdef-other");
  await page.click("button");
  assert.equal((await until(page, (lines) => lines.length === 7, "the lines of all logs")).length, 7);
  await page.click("#who");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(/\/login$/);
  await page.goto(base);
  assert.match(page.url(), /\/login$/);
});
