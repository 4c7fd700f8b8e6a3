import assert from "node:assert/strict";
import { test } from "node:test";
import puppeteer from "puppeteer-core";
import { DEADLINE_MS, World } from "./world.js";

test("in Firefox lines appear, stay through a restart of the agent, are filtered, and 200,000 keep their height", async () => {
  const world = new World();
  const preferences = { "app.update.enabled": false, "network.captive-portal-service.enabled": false, "browser.safebrowsing.downloads.enabled": false };
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr", headless: true, extraPrefsFirefox: preferences });
  try {
    const log = world.log("app.log");
    log.write(100);
    const page = await browser.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    /** @type {string[]} */
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(String(error)));
    await page.setViewport({ width: 1200, height: 700 });
    await page.goto(await world.start());
    const holds = (/** @type {string} */ line) => page.waitForFunction((line) => [...document.querySelectorAll(".row .text")].some((text) => text.textContent === `▸${line}`), {}, line);
    await holds(String(log.written.at(-1)));
    await world.kill();
    log.write(20);
    await world.start();
    await holds(String(log.written.at(-1)));
    await page.waitForFunction(() => document.getElementById("state")?.textContent === "Live");
    for (let piece = 0; piece < 20; piece++) log.write(10_000);
    await holds(String(log.written.at(-1)));
    await page.waitForFunction(() => (document.getElementById("lines")?.scrollHeight ?? 0) > 3_900_000);
    assert.ok((await page.$$(".row")).length < 80);
    await page.type("#find", "0000007");
    await page.keyboard.press("Enter");
    await holds(log.written[7]);
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
    await world.stop();
  }
});
