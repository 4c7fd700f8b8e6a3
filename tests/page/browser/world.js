// A world for one test of the page: a folder of logs, the real agent, a browser. Everything goes through the door of the
// user; nothing waits for a time, only for things, with a deadline that only fails.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const AGENT = process.env.SIDETAIL ?? path.join(ROOT, "target/debug/sidetail");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
export const DEADLINE_MS = 20_000;

/** A log and what was written to it. */
export class Log {
  /** @type {string[]} */
  written = [];

  /** @param {string} file */
  constructor(file) {
    this.file = file;
  }

  /** Writes numbered lines. @param {number} count @param {(number: number) => string} [line] @returns {string[]} */
  write(count, line = (number) => `line ${String(number).padStart(7, "0")} of ${path.basename(this.file)}`) {
    const lines = Array.from({ length: count }, (_, at) => line(this.written.length + at));
    fs.appendFileSync(this.file, lines.map((text) => `${text}\n`).join(""));
    this.written.push(...lines);
    return lines;
  }

  /** `app.log` becomes `app.log.1`, that `app.log.2`, compressed. */
  rotate() {
    for (let number = 8; number > 0; number--) {
      for (const end of ["", ".gz"]) if (fs.existsSync(`${this.file}.${number}${end}`)) fs.renameSync(`${this.file}.${number}${end}`, `${this.file}.${number + 1}${end}`);
    }
    if (fs.existsSync(`${this.file}.2`)) execFileSync("gzip", [`${this.file}.2`]);
    fs.renameSync(this.file, `${this.file}.1`);
    fs.writeFileSync(this.file, "");
  }
}

export class World {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "sidetail-page-"));
  /** @type {import("node:child_process").ChildProcess | null} */
  agent = null;
  base = "";
  /** @type {string[] | undefined} */
  args;
  /** What the agent is started by, as `nice -n 5` would. @type {string[]} */
  by = [];

  /** @param {string} name */
  log(name) {
    return new Log(path.join(this.folder, name));
  }

  /** @param {string[]} args `@` stands for the folder */
  async start(args = ["@/*.log"]) {
    this.args ??= args;
    const listen = this.base ? new URL(this.base).host : "127.0.0.1:0";
    const words = this.args.map((arg) => arg.replaceAll("@", this.folder));
    const [program, ...given] = [...this.by, AGENT, "--listen", listen, "--log-level", "error", "--retry", "400ms", ...words];
    const agent = spawn(program, given, { stdio: ["ignore", "pipe", "inherit"] });
    this.agent = agent;
    const ended = once(agent, "exit").then(([code]) => Promise.reject(new Error(`the agent ended with ${code}`)));
    ended.catch(() => {});
    const said = await Promise.race([once(/** @type {any} */ (agent.stdout), "data"), ended]);
    this.base = String(said[0]).trim();
    return this.base;
  }

  /** Ends the agent as a crash would. */
  async kill() {
    const agent = /** @type {import("node:child_process").ChildProcess} */ (this.agent);
    const ended = once(agent, "exit");
    agent.kill("SIGKILL");
    await ended;
  }

  async stop() {
    if (this.agent?.exitCode === null && this.agent.signalCode === null) await this.kill().catch(() => {});
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @returns {Promise<import("playwright-core").Browser>} */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/**
 * A tab that fails the test if anything in it fails.
 * @param {import("playwright-core").BrowserContext} context
 * @param {string} url
 */
export async function open(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const wrong = /** @type {string[]} */ ([]);
  page.on("pageerror", (error) => wrong.push(String(error.stack)));
  page.on("console", (message) => /Content Security|Refused/.test(message.text()) && wrong.push(message.text()));
  page.on("request", (request) => !request.url().startsWith("data:") && new URL(request.url()).host !== new URL(url).host && wrong.push(request.url()));
  await page.goto(url);
  return Object.assign(page, { wrong });
}

/** All lines that the tab has, in view or not: as somebody gets them who selects and copies everything. @param {import("playwright-core").Page} page */
export async function allLines(page) {
  return (
    await page.evaluate(() => {
      const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
      lines.focus();
      lines.dispatchEvent(new KeyboardEvent("keydown", { key: "a", ctrlKey: true, bubbles: true }));
      const data = new DataTransfer();
      lines.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
      lines.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
      return data.getData("text/plain");
    })
  ).split("\n").slice(0, -1);
}

/** Waits until what the tab has is also in its document. @param {import("playwright-core").Page} page */
export async function painted(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Waits until a condition of the tab's lines holds, and they are painted. @param {import("playwright-core").Page} page @param {(lines: string[]) => boolean} holds @param {string} what */
export async function until(page, holds, what) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const lines = await allLines(page);
    if (holds(lines)) {
      await painted(page);
      return lines;
    }
    if (Date.now() > deadline) throw new Error(`${what}: ${lines.length} lines, the last is ${lines.at(-1)}; the page says ${await page.locator("#state, #refusal, #empty").allTextContents()}`);
    await page.waitForTimeout(30);
  }
}

/** Waits until the words of an element fit. @param {import("playwright-core").Page} page @param {string} selector @param {RegExp} words */
export async function says(page, selector, words) {
  await page.waitForFunction(([selector, source]) => new RegExp(source).test(document.querySelector(selector)?.textContent ?? ""), [selector, words.source]);
}

/**
 * A browser for all tests of a file, and a world and a context for each. A test fails too if anything in its tabs failed.
 * @returns {{world: World, context: import("playwright-core").BrowserContext, browser: import("playwright-core").Browser}}
 */
export function each() {
  const own = /** @type {any} */ ({});
  before(async () => { own.browser = await launch(); });
  after(() => own.browser.close());
  beforeEach(async () => {
    own.world = new World();
    own.context = await own.browser.newContext({ viewport: { width: 1200, height: 700 }, permissions: ["clipboard-read", "clipboard-write"] });
  });
  afterEach(async () => {
    const wrong = own.context.pages().flatMap((/** @type {any} */ page) => page.wrong ?? []);
    await own.context.close();
    await own.world.stop();
    assert.deepEqual(wrong, []);
  });
  return own;
}
