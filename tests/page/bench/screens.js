// Takes a picture of the page in each of its states, to be looked at: `node tests/page/bench/screens.js FOLDER`, after
// `cargo build --release`. With an expression behind it, only of some: `FOLDER '^phone'`.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

process.env.SIDETAIL ??= path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../target/release/sidetail");
const { World, launch, open, painted, says, until } = await import("../browser/world.js");

const folder = process.argv[2];
assert.ok(folder, "usage: screens.js FOLDER [EXPRESSION]");
fs.mkdirSync(folder, { recursive: true });

const START = Date.now() - 3_600_000;
const PATHS = ["/api/v1/orders", "/api/v1/orders/1042", "/healthz", "/login", "/api/v1/price?symbol=ACME"];
const USERS = ["ann", "bo", "cy", "dee"];

/** A time in the last hour. @param {number} number @param {number} step in milliseconds */
const at = (number, step) => new Date(START + number * step + ((number * 7919) % 2000)).toISOString();

/** @param {number} number */
function web(number) {
  const status = number % 29 === 0 ? 502 : number % 13 === 0 ? 404 : 200;
  return `${at(number, 3000)} ${status === 502 ? "ERROR" : status === 404 ? "WARN" : "INFO"} GET ${PATHS[number % PATHS.length]} ${status} ${(number * 37) % 240}ms user=${USERS[number % 4]} from 192.0.2.${number % 250}`;
}

/** @param {number} number */
function app(number) {
  if (number % 31 === 0) return `${at(number, 9000)} ERROR payment failed for order ${number}\njava.io.IOException: stalled\n\tat shop.Till.pay(Till.java:88)\n\tat shop.Order.close(Order.java:12)\nCaused by: java.net.SocketTimeoutException: 3s`;
  if (number % 17 === 0) return `${at(number, 9000)} WARN the cache holds 91% of 512 MiB`;
  return `${at(number, 9000)} \x1b[32mINFO\x1b[0m order ${number} of ${USERS[number % 4]} is paid, trace=4bf92f3577b34da6a3ce929d0e0e${4736 + number}`;
}

/** @param {number} number */
const jobs = (number) => JSON.stringify({ level: [30, 30, 40, 30, 50][number % 5], time: START + number * 21_000, msg: `job ${number} is done`, queue: "mail", tries: number % 4, took_ms: (number * 53) % 900, request: { id: `r-${number}`, user: USERS[number % 4] } });

/** @typedef {Awaited<ReturnType<typeof open>>} Page */

/** @param {Page} page @param {string} text */
async function find(page, text) {
  await page.locator("#find").fill(text);
  await page.locator("#find").press("Enter");
}

/** What leads to each state, and what to wait for. @type {Record<string, (page: Page, world: InstanceType<typeof World>) => Promise<unknown>>} */
const STATES = {
  live: (page) => says(page, "#state", /^Live$/),
  paused: async (page, world) => {
    await page.locator("#lines").press("PageUp");
    await says(page, "#follow", /Paused/);
    const log = world.log("web.log");
    fs.appendFileSync(log.file, Array.from({ length: 14 }, (_, number) => `${web(1200 + number)}\n`).join(""));
    await says(page, "#live", /^14 new lines/);
  },
  selected: async (page) => {
    for (const key of ["k", "k", "k", "m"]) await page.locator("#lines").press(key);
    await page.locator(".row.marked").waitFor();
    await page.keyboard.press("k");
  },
  json: async (page) => {
    await find(page, "log:jobs.log level:warn");
    await page.locator(".row .message").first().waitFor();
    for (const key of ["k", "k", "k", "k", "Enter"]) await page.locator("#lines").press(key);
    await page.locator(".row.open .details").waitFor();
  },
  trace: async (page) => {
    await find(page, "log:app.log");
    await page.locator(".row .more").first().waitFor();
    await page.locator("#lines").press("E");
    await page.keyboard.press("Enter");
    await page.locator(".row.part").first().waitFor();
  },
  filter: async (page) => {
    await find(page, "level:warn orders -healthz");
    await until(page, (lines) => lines.length > 10 && lines.every((line) => line.includes("orders")), "those that match");
  },
  highlight: async (page) => {
    await find(page, "orders");
    await until(page, (lines) => lines.length > 100 && lines.every((line) => line.includes("orders")), "those that match");
    await page.locator("#lines").press("f");
    await until(page, (lines) => lines.some((line) => !line.includes("orders")), "all");
    await page.locator("#lines").press("N");
    await page.locator(".row.selected").waitFor();
  },
  empty: async (page) => {
    await find(page, "nowhere to be found");
    await says(page, "#empty", /^No line matches/);
  },
  refusal: async (page) => {
    await find(page, "/order(s/");
    await says(page, "#refusal", /unclosed group/);
  },
  wrapped: async (page) => {
    await page.locator("#lines").press("w");
    await page.waitForFunction(() => document.body.classList.contains("wrap"));
  },
  menu: async (page) => {
    await page.locator("#menu").click();
    await page.locator("#more .item").first().waitFor();
  },
  help: async (page) => {
    await page.locator("#lines").press("?");
    await page.locator("#help").waitFor();
  },
  reconnecting: async (page, world) => {
    await says(page, "#state", /^Live$/);
    await world.kill();
    await says(page, "#state", /again in/);
  },
  gap: async (page, world) => {
    await says(page, "#state", /^Live$/);
    await world.kill();
    const log = world.log("app.log");
    fs.unlinkSync(log.file);
    fs.writeFileSync(log.file, Array.from({ length: 3 }, (_, number) => `${app(404 + number)}\n`).join(""));
    await world.start();
    await page.locator(".row.gap").first().waitFor();
    await until(page, (lines) => /order 406 /.test(lines.at(-1) ?? ""), "what follows the gap");
  },
};

/** @type {[string, string, import("playwright-core").BrowserContextOptions, string[]][]} */
const LOOKS = [
  ["light", "light", { viewport: { width: 1200, height: 700 } }, Object.keys(STATES)],
  ["dark", "dark", { viewport: { width: 1200, height: 700 } }, ["live", "paused", "json", "filter", "gap", "empty", "highlight"]],
  ["contrast", "contrast", { viewport: { width: 1200, height: 700 } }, ["live", "paused", "json", "gap", "refusal", "highlight"]],
  ["forced", "system", { viewport: { width: 1200, height: 700 }, forcedColors: "active" }, ["live", "paused", "json", "selected", "highlight", "gap"]],
  ["phone", "light", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }, ["live", "paused", "json", "filter", "empty", "refusal", "reconnecting", "gap", "menu", "help"]],
  ["phone-dark", "dark", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }, ["live", "json", "wrapped"]],
  ["zoomed", "light", { viewport: { width: 640, height: 360 }, deviceScaleFactor: 2 }, ["live", "paused", "json", "menu"]],
];

const wanted = new RegExp(process.argv[3] ?? "");
const browser = await launch();
try {
  for (const [look, theme, options, states] of LOOKS) for (const state of states.filter((state) => wanted.test(`${look}-${state}`))) {
    const world = new World();
    const context = await browser.newContext(options);
    try {
      for (const [name, line, count] of /** @type {[string, (number: number) => string, number][]} */ ([["web.log", web, 1200], ["app.log", app, 400], ["jobs.log", jobs, 170]])) world.log(name).write(count, line);
      await context.addInitScript((theme) => (localStorage.theme = theme), theme);
      const page = await open(context, await world.start());
      await page.locator(".row").first().waitFor();
      await page.locator("#histogram[aria-label*='lines from']").waitFor();
      await STATES[state](page, world);
      await painted(page);
      await page.screenshot({ path: path.join(folder, `${look}-${state}.png`) });
    } finally {
      await context.close();
      await world.stop();
    }
  }
} finally {
  await browser.close();
}
