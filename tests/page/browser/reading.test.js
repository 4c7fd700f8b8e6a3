import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { test } from "node:test";
import { each, open, says, until } from "./world.js";

const own = each();

const TRACE = "java.io.IOException: stalled\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\nCaused by: java.lang.Error: x\n\t... 3 more";

test("JSON is shown message first, opens to its fields, and a value filters or is left out", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(20, (number) => JSON.stringify({ time: "2026-11-22T10:00:00Z", level: number % 5 ? "info" : "error", msg: `order ${number}`, status: number % 2 ? 200 : 502, user: { name: "ann b" } }));
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 20, "history");
  const row = page.locator(".row", { hasText: "order 16" });
  assert.match(String(await row.locator(".text").textContent()), /INFO order 16 status=502 user=/);
  await row.locator(".fold").click();
  await page.locator(".row.open .field", { hasText: "user.name" }).waitFor();
  await page.locator(".row.open .only", { hasText: "502" }).click();
  assert.equal((await until(page, (lines) => lines.length === 10, "only those")).every((line) => line.includes(":502")), true);
  await page.locator(".row", { hasText: "order 10" }).locator(".fold").click();
  await page.locator(".row.open .field", { hasText: "level" }).locator(".not").click();
  assert.equal((await until(page, (lines) => lines.length === 8, "without those")).some((line) => line.includes('"error"')), false);
});

test("a value is shown and found as it stands in the line, whatever a script makes of it", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  const values = [["id", "1234567890123456789"], ["price", "1.50"], ["who", '"caf\\u00e9 \\u0026 \\/x"']];
  log.write(4, (number) => `{"msg":"order ${number}","in":{"id":1234567890123456780},${values.map(([name, value]) => `"${name}": ${number % 2 ? value : 1}`).join(",")}}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 4, "history");
  assert.match(String(await page.locator(".row .text").nth(1).textContent()), /order 1 in=\{"id":1234567890123456780\} id=1234567890123456789 price=1\.50 who=café & \/x$/);
  for (const value of ["1234567890123456789", "1.50", "café & /x"]) {
    await page.locator(".row", { hasText: "order 1" }).locator(".fold").click();
    await page.locator(".row.open .only", { hasText: value }).click();
    assert.deepEqual(await until(page, (lines) => lines.length === 2, `those with ${value}`), [log.written[1], log.written[3]]);
    await page.goBack();
    await until(page, (lines) => lines.length === 4, "all");
  }
});

test("a stack trace is folded into the line that it belongs to, and opens", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3, () => `2026-11-22T10:00:00Z ERROR failed\n${TRACE}`);
  const page = await open(context, await world.start());
  const lines = await until(page, (lines) => lines.length === 18, "all lines");
  assert.equal(lines[2], "\tat a.B.c(B.java:1)");
  assert.equal(await page.locator(".row").count(), 3);
  await page.locator(".more", { hasText: "+5 lines" }).first().click();
  await page.locator(".row.part", { hasText: "Caused by" }).waitFor();
  assert.equal(await page.locator(".row").count(), 8);
  assert.equal(await page.locator(".row.l-error").count(), 8, "as grave as the line");
  await page.locator(".row.open .fold").first().click();
  await page.waitForFunction(() => document.querySelectorAll(".row").length === 3);
});

test("lines that come leave the newest one as it is, and are counted by the one that they are folded into", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(3, (number) => `2026-11-22T10:00:00Z ERROR failed ${number}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 3, "history");
  log.write(1, () => "2026-11-22T10:00:00Z ERROR failed 3");
  await until(page, (lines) => lines.length === 4, "live lines");
  const cells = await page.locator(".row", { hasText: "failed 3" }).locator(".cells").elementHandle();
  log.write(1, () => "2026-11-22T10:00:00Z ERROR failed 4");
  await until(page, (lines) => lines.length === 5, "one more");
  assert.equal(await cells?.evaluate((cells) => cells.isConnected), true);
  for (const hidden of ["+1 line", "+2 lines", "+3 lines"]) {
    log.write(1, () => "\tat a.B.c(B.java:1)");
    await page.locator(".row", { hasText: "failed 4" }).locator(".more", { hasText: hidden }).waitFor();
  }
});

test("long lines wrap, or can be scrolled to; both have the right scroll bars", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(200, (number) => `line ${number} ${"word ".repeat(number % 100)}`);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 200, "history");
  const sizes = () => page.evaluate(() => {
    const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
    const last = /** @type {HTMLElement} */ (document.querySelector(".row:last-child"));
    return { over: lines.scrollWidth - lines.clientWidth, height: lines.scrollHeight, gap: Math.round(lines.getBoundingClientRect().bottom - last.getBoundingClientRect().bottom) };
  });
  const before = await sizes();
  assert.ok(before.over > 100, "a scroll bar to the right");
  assert.equal(before.height, 200 * 20);
  await page.locator("#lines").press("w");
  await page.waitForFunction(() => document.body.classList.contains("wrap"));
  await page.waitForFunction(() => Math.abs(/** @type {HTMLElement} */ (document.getElementById("lines")).getBoundingClientRect().bottom - /** @type {HTMLElement} */ (document.querySelector(".row:last-child")).getBoundingClientRect().bottom) <= 1);
  const after = await sizes();
  assert.ok(after.over <= 0, `${after.over} pixels too wide`);
  assert.ok(after.height > before.height);
  assert.ok(new URL(page.url()).searchParams.has("wrap"));
});

test("terminal colours are shown, and what they are made of is not", async () => {
  const { world, context } = own;
  world.log("app.log").write(1, () => "\x1b[31mred\x1b[0m \x1b[1mbold\x1b[0m <b>not bold</b>");
  const page = await open(context, await world.start());
  const text = page.locator(".row .text");
  await text.waitFor();
  assert.equal(String(await text.textContent()).replace("▸", ""), "red bold <b>not bold</b>");
  assert.equal(await text.locator(".fa1").textContent(), "red");
  assert.equal(await text.locator(".bold").textContent(), "bold");
  assert.equal(await text.locator("b").count(), 0);
});

test("lines of every script and of 200 kB are shown as they are", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1, () => `ünïcödé ☃ مرحبا ${"x".repeat(200_000)} end`);
  fs.appendFileSync(log.file, Buffer.from([0x62, 0x61, 0x64, 0xff, 0x0a]));
  const page = await open(context, await world.start());
  const lines = await until(page, (lines) => lines.length === 2, "both");
  assert.deepEqual(lines, [log.written[0], "bad\ufffd"]);
  assert.ok(String(await page.locator(".row").first().textContent()).length < 3000, "not all of it at once");
});

test("times are local, UTC, ago, differences from a marked row, or not shown", async () => {
  const { world, context } = own;
  const start = Date.now() - 200_000;
  world.log("app.log").write(3, (number) => `${new Date(start + number * 70_500).toISOString()} INFO line ${number}`);
  const page = await open(context, await world.start());
  const time = (/** @type {number} */ at) => page.locator(".row .time").nth(at);
  const utc = new Date(start).toISOString().slice(11, 23);
  await page.locator(".silence").first().waitFor();
  assert.match(String(await page.locator(".silence").first().textContent()), /^1 min (10|11) s$/, "so long nothing came");
  await page.locator("#lines").press("t");
  await page.waitForFunction((utc) => document.querySelector(".row .time")?.textContent?.includes(utc), utc);
  await page.keyboard.press("t");
  await page.waitForFunction(() => / ago$/.test(document.querySelector(".row .time")?.textContent ?? ""));
  await page.locator(".row").first().click();
  await page.keyboard.press("m");
  await page.locator(".row.marked").waitFor();
  await page.keyboard.press("t");
  await page.waitForFunction(() => /\+0\.000/.test(document.querySelector(".row .time")?.textContent ?? ""));
  assert.match(String(await time(2).textContent()), /^\+(141\.000|2 min 21 s)$/);
  await page.keyboard.press("t");
  await page.waitForFunction(() => !document.querySelector(".row .time"));
  assert.match(String(await page.locator(".row .text").first().textContent()), /^▸?20\d\d-/, "the line as it stands");
});

test("copying a selection gives the lines of it that are not in the document, too", async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(1000);
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 1000, "history");
  await page.locator("#lines").hover();
  await page.mouse.wheel(0, -600);
  await says(page, "#follow", /Paused/);
  await page.evaluate(async () => {
    const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
    for (let still = 0, top = -1; still < 5; top = lines.scrollTop) {
      await new Promise((done) => requestAnimationFrame(done));
      still = lines.scrollTop === top ? still + 1 : 0;
    }
  });
  const from = page.locator(".row .text").nth(20);
  const box = /** @type {any} */ (await from.boundingBox());
  const first = String(await from.textContent()).replace("▸", "");
  await page.mouse.move(box.x + 60, box.y + 5);
  await page.mouse.down();
  await page.mouse.move(box.x + 160, box.y + 30, { steps: 3 });
  for (let turn = 0; turn < 8; turn++) {
    await page.mouse.wheel(0, -1500);
    await page.waitForTimeout(50);
  }
  await page.mouse.move(box.x + 100, 300, { steps: 3 });
  await page.mouse.up();
  await page.keyboard.press("Control+c");
  const copied = (await page.evaluate(() => navigator.clipboard.readText())).trim().split("\n");
  assert.ok(copied.length > 200, `${copied.length} lines`);
  const end = log.written.indexOf(first);
  assert.deepEqual(copied, log.written.slice(end - copied.length + 1, end + 1));
});

test("what is found is shown, also where it comes before the next frame", async () => {
  const { world, context } = own;
  world.log("app.log").write(100, (number) => `${number % 2 ? "odd" : "even"} ${number}`);
  await context.addInitScript(() => {
    const tab = /** @type {any} */ (window);
    const { requestAnimationFrame } = window;
    window.requestAnimationFrame = (work) => (tab.holds ? 0 : requestAnimationFrame(work));
  });
  const page = await open(context, await world.start());
  await until(page, (lines) => lines.length === 100, "history");
  await says(page, "#state", /^Live$/);
  await page.evaluate(() => (/** @type {any} */ (window).holds = true));
  await page.locator("#find").fill("odd");
  await page.locator("#find").press("Enter");
  await page.waitForFunction(() => /of 50 lines/.test(document.getElementById("place")?.textContent ?? ""), null, { polling: 50 });
  const rows = await page.locator(".row .text").allTextContents();
  assert.deepEqual(rows.filter((row) => !row.includes("odd")), []);
  assert.ok(rows.length > 10);
});

test("where there is nothing to see it says why", async () => {
  const { world, context } = own;
  const page = await open(context, await world.start(["app=@/app.log"]));
  await says(page, "#empty", /No line yet.*app: .*app\.log is not there yet.*sidetail demo/);
  fs.mkdirSync(path.join(world.folder, "x"));
  world.log("app.log").write(1);
  await page.locator(".row.record").waitFor();
  assert.equal(await page.locator("#empty").isVisible(), false);
});

test("in a frame of its own site it is lines only", async () => {
  const { world, context } = own;
  world.log("app.log").write(5);
  const page = await open(context, `${await world.start()}?embed=1`);
  await page.locator(".row").first().waitFor();
  for (const chrome of ["#bar", "footer", "#times"]) assert.equal(await page.locator(chrome).isVisible(), false, chrome);
});

for (const [theme, width] of /** @type {[string, number][]} */ ([["light", 1200], ["dark", 1200], ["contrast", 1200], ["light", 390]])) {
  test(`nobody is left out: ${theme}, ${width} pixels wide`, async () => {
    const { world, context } = own;
    const log = world.log("app.log");
    log.write(60, (number) => `2026-11-22T10:00:00Z ${["INFO", "WARN", "ERROR", "DEBUG"][number % 4]} took=12ms status=502 id=4bf92f3577b34da6a3ce929d0e0e4736 https://x.example/ user=a`);
    world.log("web.log").write(20, (number) => JSON.stringify({ time: "2026-11-22T10:00:00Z", level: "info", msg: `order ${number}`, n: number }));
    await context.addInitScript((theme) => (localStorage.theme = theme), theme);
    const page = await open(context, await world.start());
    await page.setViewportSize({ width, height: 740 });
    await until(page, (lines) => lines.length === 80, "history");
    await page.locator("#lines").press("k");
    await page.keyboard.press("Enter");
    await page.locator(".row.open .details").waitFor();
    await page.keyboard.press("m");
    const axe = () => new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
    const violations = async () => (await axe()).violations.map((one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 90)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
    assert.deepEqual(await violations(), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "the page itself never scrolls sideways");
    await page.keyboard.press("?");
    await page.locator("#help").waitFor();
    assert.deepEqual(await violations(), []);
    await page.keyboard.press("Escape");
    await page.locator("#menu").click();
    await page.locator("#more .item").first().waitFor();
    assert.deepEqual(await violations(), []);
  });
}

