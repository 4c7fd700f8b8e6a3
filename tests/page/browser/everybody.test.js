// Nobody is left out, whatever the page shows: axe-core in each state, in each look, on a screen and on a phone.

import assert from "node:assert/strict";
import fs from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { test } from "node:test";
import { each, open, painted, says, until } from "./world.js";

const own = each();
/** @typedef {import("playwright-core").Page} Page */

const TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"];
const LEVELS = ["INFO", "WARN", "ERROR", "DEBUG", "FATAL"];
/** @param {number} number */
const plain = (number) => `2026-11-22T10:00:${String(number % 60).padStart(2, "0")}Z ${LEVELS[number % 5]} GET /x?a=1 status=${number % 3 ? 404 : 502} took=12ms id=4bf92f3577b34da6a3ce929d0e0e4736 https://x.example/`;
/** @param {number} number */
const json = (number) => JSON.stringify({ time: "2026-11-22T10:01:00Z", level: number % 2 ? "info" : "error", msg: `order ${number}`, status: 500, user: { name: "ann" } });

/** @param {Page} page @param {string} state */
async function pleases(page, state) {
  await painted(page);
  const { violations, passes } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  const wrong = violations.map((one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  assert.deepEqual(wrong, [], state);
  assert.ok(passes.length > 10, `${state}: axe looked at something`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${state}: the page itself never scrolls sideways`);
}

/** @param {Page} page @param {string} text */
async function find(page, text) {
  await page.locator("#find").fill(text);
  await page.locator("#find").press("Enter");
}

const SCREEN = [1200, 740];
const PHONE = [390, 844];
/** @type {[look: string, theme: string, media: {colorScheme?: "light" | "dark", forcedColors?: "active", contrast?: "more"}, size: number[]][]} */
const LOOKS = [
  ["light", "light", {}, SCREEN],
  ["light", "light", {}, PHONE],
  ["dark", "dark", { colorScheme: "dark" }, SCREEN],
  ["dark", "dark", { colorScheme: "dark" }, PHONE],
  ["high contrast", "contrast", {}, SCREEN],
  ["forced colours", "system", { forcedColors: "active" }, SCREEN],
  ["forced colours", "system", { forcedColors: "active" }, PHONE],
  ["more contrast, dark", "system", { contrast: "more", colorScheme: "dark" }, SCREEN],
];

for (const [look, theme, media, [width, height]] of LOOKS) {
  test(`a gap, paused, open JSON, a filter, nothing, a refusal, reconnecting, the login: ${look}, ${width} pixels wide`, async () => {
    const { world, context } = own;
    const log = world.log("app.log");
    log.write(60, plain);
    world.log("web.log").write(10, json);
    await context.addInitScript((theme) => (localStorage.theme = theme), theme);
    const page = await open(context, await world.start());
    await page.emulateMedia(media);
    await page.setViewportSize({ width, height });
    await until(page, (lines) => lines.length === 70, "history");

    await world.kill();
    await says(page, "#state", /again in/);
    await pleases(page, "reconnecting");
    fs.unlinkSync(log.file);
    fs.writeFileSync(log.file, "another life\n");
    await world.start();
    await page.locator(".row.gap").first().waitFor();
    await page.locator(".row", { hasText: "another life" }).waitFor();
    await pleases(page, "a gap");

    await find(page, "order");
    await until(page, (lines) => lines.length === 10, "those that match");
    await page.locator("#lines").press("k");
    await page.keyboard.press("Enter");
    await page.locator(".row.open .details").waitFor();
    await pleases(page, "open JSON in a filter");
    await find(page, "nowhere to be found");
    await says(page, "#empty", /^No line matches/);
    await pleases(page, "nothing");
    await find(page, "/a(b/");
    await says(page, "#refusal", /unclosed group/);
    await pleases(page, "a refusal");

    await find(page, "");
    await page.locator(".row").first().waitFor();
    log.write(100, plain);
    await until(page, (lines) => lines.length > 100, "more than the view holds");
    await page.locator("#lines").press(" ");
    await says(page, "#follow", /Paused/);
    log.write(7, plain);
    await says(page, "#live", /^7 new lines: go to live$/);
    await pleases(page, "paused");

    await world.kill();
    fs.writeFileSync(`${world.folder}/tokens`, "oncall 0123456789abcdef app*\n");
    world.args = ["@/*.log", "--token-file", "@/tokens"];
    const door = await open(context, await world.start());
    await door.emulateMedia(media);
    await door.setViewportSize({ width, height });
    await door.fill("#token", "not this one");
    await door.click("button");
    await door.getByText("This is no token of the token file.").waitFor();
    await pleases(door, "the login");
    await door.fill("#token", "0123456789abcdef");
    await door.click("button");
    await door.locator(".row").first().waitFor();
    await door.click("#who");
    await door.getByRole("button", { name: "Log out" }).waitFor();
    await pleases(door, "the way out");
  });
}
