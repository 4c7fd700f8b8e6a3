// The five examples as a user meets them: `examples/run NAME`, its page in Chromium, `kill -9` and a new start of sidetail
// while the page is open. What the page had is compared with what a stream from the start gives: all, once, in order.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** How long anything is waited for, in milliseconds; only fails. */
const PATIENCE = 20_000;
/** How long the writers pause between two steps, in seconds: as little as leaves room for a kill. */
const STEP = '0.25';

let browser;
before(async () => {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
});
after(() => browser.close());

/** Asks again and again until `probe` gives something; fails, naming `what`, when patience is at its end. */
async function eventually(what, probe) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > deadline) assert.fail(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** `examples/run NAME`, running until `end`. */
class Example {
  constructor(name) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'example-'));
    this.again = path.join(this.folder, 'again');
    const env = { ...process.env, SIDETAIL: path.join(import.meta.dirname, 'again'), AGAIN: this.again, TMPDIR: this.folder };
    this.child = spawn(path.join(ROOT, 'examples/run'), [name, STEP], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.said = '';
    for (const pipe of [this.child.stdout, this.child.stderr]) pipe.on('data', (text) => (this.said += text));
  }

  /** Waits until sidetail serves, and the page. */
  async serves() {
    const answers = (url) => fetch(url).then((answer) => answer.ok, () => false);
    await eventually('sidetail serves', () => answers('http://localhost:7878/readyz'));
    await eventually('the page is served', () => answers('http://localhost:7879/'));
  }

  /** The processes of sidetail. */
  async pids() {
    const { stdout } = await promisify(execFile)('pgrep', ['-g', String(this.child.pid), '-x', 'sidetail']);
    return stdout.trim().split('\n').map(Number);
  }

  async kill() {
    for (const pid of await this.pids()) process.kill(pid, 'SIGKILL');
  }

  startAgain() {
    fs.writeFileSync(this.again, '');
  }

  /** Ends it as Ctrl-C does; it leaves nothing behind. */
  async end() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null) process.kill(-this.child.pid, 'SIGINT');
    await ended;
    const left = () => promisify(execFile)('pgrep', ['-g', String(this.child.pid)]).then(() => false, () => true);
    await eventually('its processes end', left);
    assert.deepEqual(fs.readdirSync(this.folder), [], 'what was left in the temporary folder');
    fs.rmdirSync(this.folder);
  }
}

/** In the page: remembers every event that its EventSource gives to anybody, and how often it had to come back. */
function remember(names) {
  window.seen = [];
  window.errors = 0;
  window.EventSource = class extends EventSource {
    constructor(...args) {
      super(...args);
      for (const name of names) this.addEventListener(name, ({ data, lastEventId }) => window.seen.push([name, data, lastEventId]));
      this.addEventListener('error', () => window.errors++);
    }
  };
}

/** What a stream that begins with the oldest byte gives, as `[name, data, id]`. */
async function everything() {
  const text = await (await fetch('http://localhost:7878/events?from=start&follow=false')).text();
  const fields = (block, field) => block.split('\n').filter((line) => line.startsWith(`${field}: `)).map((line) => line.slice(field.length + 2));
  const blocks = text.split('\n\n').filter((block) => fields(block, 'data').length > 0);
  const events = blocks.map((block) => [fields(block, 'event')[0] ?? 'message', fields(block, 'data').join('\n'), fields(block, 'id')[0]]);
  return events.filter(([name]) => !['hello', 'pos'].includes(name));
}

/** What a line with curl gives. Streams do not end by themselves: it gives up after a while, with 28. */
async function curl(line) {
  const answer = await promisify(execFile)('sh', ['-c', `${line} --silent --show-error --fail --max-time 2`]).catch((error) => error);
  assert.ok([undefined, 28].includes(answer.code), `${line}: ${answer.stderr}`);
  return answer;
}

const NAMES = ['message', 'update', 'notification', 'progress', 'done', 'error-record', 'gap'];

/** Runs an example, opens its page, kills sidetail under it and starts it again; `shows` looks at the page at the end, and its line for a
 * shell gives what `inShell` says. */
async function survives(name, { enough, shows, inShell }) {
  const example = new Example(name);
  const page = await browser.newPage();
  try {
    await example.serves();
    const failures = [];
    page.on('pageerror', (error) => failures.push(String(error)));
    await page.addInitScript(remember, NAMES);
    await page.goto('http://localhost:7879/');
    const seen = () => page.evaluate(() => window.seen);
    const state = (text) => page.waitForFunction((text) => document.querySelector('#state').textContent === text, text, { timeout: PATIENCE });
    await state('live');
    await eventually('the first events', async () => (await seen()).length >= 4);

    await example.kill();
    await state('reconnecting');
    const had = (await seen()).length;
    example.startAgain();
    await example.serves();
    await eventually('events after the new start', async () => (await seen()).length >= had + 3 && (enough(await seen())));
    assert.ok((await page.evaluate(() => window.errors)) > 0, 'onerror was called');

    // The page goes on while it is looked at: first what it had, then all that there is.
    const got = await seen();
    const all = await everything();
    const first = all.findIndex(([, , id]) => id === got[0][2]);
    assert.ok(first >= 0, `${got[0]} is in the log`);
    assert.deepEqual(got, all.slice(first, first + got.length), 'all, once, in order');
    await shows(page, got, state);
    assert.deepEqual(failures, [], 'errors in the page');
    const line = /in a shell: +(curl .*)/.exec(example.said)[1];
    assert.match((await curl(line)).stdout, inShell, line);
  } catch (error) {
    error.message += `\nthe example said:\n${example.said.slice(-2000)}`;
    throw error;
  } finally {
    await page.close();
    await example.end();
  }
}

const named = (seen, name) => seen.filter(([event]) => event === name).map(([, data]) => data);

test('a live feed shows every headline, the newest first', () => survives('feed', {
  inShell: /^Headline \d+: /m,
  enough: () => true,
  shows: async (page, seen) => {
    const shown = (await page.locator('#feed li').allTextContents()).reverse();
    assert.deepEqual(shown.slice(0, seen.length), named(seen, 'message'));
    const numbers = shown.map((text) => Number(/^Headline (\d+): /.exec(text)[1]));
    assert.deepEqual(numbers, numbers.map((_, place) => numbers[0] + place));
  },
}));

test('a notification shows who is told what', () => survives('notifications', {
  inShell: /^event: notification\ndata: {"user":"ann"/m,
  enough: (seen) => named(seen, 'notification').length >= 2,
  shows: async (page, seen) => {
    const told = named(seen, 'notification').map((data) => JSON.parse(data)).map(({ user, text }) => `${user}: ${text}`);
    assert.match(told.at(-1), /^ann: order \d+ has shipped$/);
    await page.waitForFunction((number) => Number(/order (\d+)/.exec(document.querySelector('#last').textContent)?.[1]) >= number, Number(/\d+/.exec(told.at(-1))));
  },
}));

test('progress comes to a hundred, and then the stream is closed', () => survives('progress', {
  inShell: /^event: progress\ndata: {"percent":10}[^]*^event: done\n/m,
  enough: (seen) => named(seen, 'done').length === 1,
  shows: async (page, seen, state) => {
    await state('done');
    assert.equal(await page.locator('#bar').evaluate((bar) => bar.value), 100);
    assert.equal(await page.locator('#step').textContent(), 'step 10 of 10');
    assert.deepEqual(JSON.parse(named(seen, 'progress').at(-1)), { percent: 100 });
  },
}));

test('a stock ticker shows the last price of each', () => survives('stocks', {
  inShell: /^event: update\ndata: {"symbol":"[A-Z]+","price":[0-9.]+}/m,
  enough: (seen) => named(seen, 'update').length >= 8,
  shows: async (page, seen) => {
    const updates = named(seen, 'update').map((data) => JSON.parse(data));
    assert.ok(updates.every(({ price }) => typeof price === 'number'));
    const rows = await page.locator('#prices tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
    assert.deepEqual(rows.map(([symbol]) => symbol).sort(), ['ACME', 'INIT']);
    const all = (await page.evaluate(() => window.seen)).map(([, data]) => data);
    for (const [symbol, price] of rows) assert.ok(all.some((data) => data.includes(symbol) && JSON.parse(data).price.toFixed(2) === price), `${symbol} ${price}`);
  },
}));

test('log streaming goes on through rotations and marks what is grave', () => survives('logs', {
  inShell: /^event: error-record\ndata: .*ERROR/m,
  enough: (seen) => seen.length >= 26 && named(seen, 'error-record').length >= 4,
  shows: async (page, seen) => {
    const shown = (await page.locator('#log').textContent()).split('\n');
    const expected = seen.map(([name, data]) => (name === 'error-record' ? `! ${data}` : `  ${data}`));
    assert.deepEqual(shown.slice(0, expected.length), expected);
    assert.ok(!shown.join('').includes('hunter2'));
  },
}));

test('the commands of the README and of the examples do what they say', async () => {
  const example = new Example('logs');
  try {
    await example.serves();
    const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
    const use = readme.slice(readme.indexOf('## Use it'), readme.indexOf('## How resuming works'));
    const lines = use.split('\n').map((line) => /^(curl .*?)(\s+#.*)?$/.exec(line)?.[1]).filter(Boolean);
    const told = await eventually('it says what to paste', () => /in a shell: +(curl .*)/.exec(example.said)?.[1]);
    assert.ok(lines.length >= 4, String(lines));
    await eventually('errors in the log', async () => (await everything()).some(([name]) => name === 'error-record'));
    for (const line of [...lines, told]) {
      const answer = await curl(line);
      assert.ok(/request \d+ /.test(answer.stdout) || /"logs":/.test(answer.stdout), `${line}: ${answer.stdout}`);
    }
  } finally {
    await example.end();
  }
});
