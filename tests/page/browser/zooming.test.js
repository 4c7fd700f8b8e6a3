// Small windows and large letters: no control lies over another, whatever the page has to say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { each, open, painted, until } from "./world.js";

const own = each();
/** The longest that the page says of the connection. */
const WORDS = "The server has no room; asking again in 30 s";

/** Controls that lie over others, or are cut, or out of the window. @param {import("playwright-core").Page} page */
function wrong(page) {
  return page.evaluate(() => {
    const all = [...document.querySelectorAll("#bar > *, #finder > *, #refusal, #times, main, footer > *")].filter((one) => one.checkVisibility() && !one.matches("#finder, h1") && one.getBoundingClientRect().width > 0);
    const name = (/** @type {Element} */ one) => one.id || one.tagName;
    const box = (/** @type {Element} */ one) => one.getBoundingClientRect();
    const over = all.flatMap((one, at) => all.slice(at + 1).filter((other) => {
      const [a, b] = [box(one), box(other)];
      return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    }).map((other) => `${name(one)} over ${name(other)}`));
    const cut = all.filter((one) => one.matches("button, #state, #refusal, #place") && one.scrollWidth > one.clientWidth + 1).map((one) => `${name(one)} is cut`);
    const out = all.filter((one) => box(one).right > innerWidth + 1 || box(one).bottom > innerHeight + 1 || box(one).left < 0 || box(one).top < 0).map((one) => `${name(one)} is out`);
    return [...over, ...cut, ...out];
  });
}

for (const [width, height, text] of [[640, 360, 13], [1280, 720, 26], [640, 480, 26], [390, 844, 13], [390, 844, 20], [320, 640, 13]]) {
  test(`${width} by ${height} pixels, letters of ${text}: no control over another`, async () => {
    const { world } = own;
    const context = await own.browser.newContext({ viewport: { width, height }, deviceScaleFactor: 2, reducedMotion: "reduce" });
    try {
      world.log("app.log").write(300);
      world.log("a-log-of-a-long-name.log").write(30);
      const page = await open(context, await world.start());
      await page.evaluate((text) => (document.documentElement.style.fontSize = `${text}px`), text);
      await page.locator("#find").fill("line");
      await page.locator("#find").press("Enter");
      await until(page, (lines) => lines.length === 330, "history");
      await painted(page);
      assert.deepEqual(await wrong(page), [], "live");
      await page.locator("#lines").press("PageUp");
      await page.locator("#live").waitFor();
      await page.locator("#log").selectOption("a-log-of-a-long-name.log");
      await until(page, (lines) => lines.length === 30, "of one");
      const before = await page.evaluate(() => document.querySelector("main")?.getBoundingClientRect().top);
      const after = await page.evaluate((words) => {
        /** @type {HTMLElement} */ (document.getElementById("state")).textContent = words;
        return document.querySelector("main")?.getBoundingClientRect().top;
      }, WORDS);
      if (width < 400 && text === 13) assert.ok(Number(after) - Number(before) <= 20, `the lines jump by ${Number(after) - Number(before)} pixels`);
      assert.deepEqual(await wrong(page), [], "without room");
      await page.locator("#find").fill("/a(b/");
      await page.locator("#find").press("Enter");
      await page.locator("#refusal", { hasText: "unclosed group" }).waitFor();
      assert.deepEqual(await wrong(page), [], "refused");
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
      assert.deepEqual(page.wrong, []);
    } finally {
      await context.close();
    }
  });
}
