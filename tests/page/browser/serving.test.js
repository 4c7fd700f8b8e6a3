// How the page gets to the browser: what is kept, what is compressed, in whose frames it may be.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { each } from "./world.js";

const own = each();

/** One answer as it comes over the wire. @param {string} url @param {Record<string, string>} headers @returns {Promise<{status: number, headers: http.IncomingHttpHeaders, body: Buffer}>} */
async function get(url, headers) {
  const [answer] = await once(http.get(url, { headers: { Accept: "text/html,*/*", ...headers } }), "response");
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
}

test("the page and all that it loads are small, travel compressed, and not at all while the browser has them", async () => {
  const { world } = own;
  const base = await world.start();
  const page = await get(base, {});
  const links = [...String(page.body).matchAll(/(?:href|src)="(assets\/[^"]+)"/g)].map(([, link]) => link);
  assert.equal(links.length, 2);
  let bytes = 0;
  for (const link of ["", ...links]) {
    const plain = await get(base + link, {});
    assert.equal(plain.status, 200, link);
    assert.equal(plain.headers["content-encoding"], undefined);
    bytes += plain.body.length;
    const small = await get(base + link, { "Accept-Encoding": "gzip, deflate, br" });
    assert.equal(small.headers["content-encoding"], "gzip");
    assert.match(String(small.headers.vary), /Accept-Encoding/);
    assert.ok(small.body.length < plain.body.length / 2, `${link}: ${small.body.length} of ${plain.body.length} bytes`);
    assert.deepEqual(gunzipSync(small.body), plain.body);
    const refused = await get(base + link, { "Accept-Encoding": "gzip;q=0" });
    assert.deepEqual(refused.body, plain.body);
    const etag = String(plain.headers.etag);
    assert.match(etag, /^"[0-9a-f]{16}"$/);
    for (const had of [etag, `W/${etag}`, `"x", ${etag}`]) {
      const again = await get(base + link, { "If-None-Match": had });
      assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag], `${link} ${had}`);
    }
    assert.equal((await get(base + link, { "If-None-Match": '"x"' })).status, 200);
  }
  assert.ok(bytes < 100_000, `${bytes} bytes`);
});

for (const isAllowed of [true, false]) test(`in a frame of another site ${isAllowed ? "that is named by --allow-origin there are lines only, and they come" : "that is not named there is nothing"}`, async () => {
  const { world, context } = own;
  const log = world.log("app.log");
  log.write(5);
  let embedded = "";
  const site = http.createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end(`<!doctype html><iframe src="${embedded}" width="800" height="300"></iframe>`));
  await once(site.listen(0, "127.0.0.1"), "listening");
  const origin = `http://localhost:${/** @type {import("node:net").AddressInfo} */ (site.address()).port}`;
  try {
    embedded = `${await world.start(["@/*.log", ...(isAllowed ? ["--allow-origin", origin] : [])])}?embed=1`;
    const page = await context.newPage();
    const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
    refused.catch(() => {});
    await page.goto(origin);
    const frame = page.frames()[1];
    if (!isAllowed) {
      await refused;
      assert.equal(await frame.locator(".row").count(), 0);
      return;
    }
    const row = (/** @type {string | undefined} */ text) => frame.locator(".row", { hasText: text }).waitFor();
    await row(log.written[4]);
    log.write(5);
    await row(log.written[9]);
    for (const chrome of ["#bar", "footer", "#times"]) assert.equal(await frame.locator(chrome).isVisible(), false, chrome);
    assert.equal(await frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  } finally {
    site.close();
    site.closeAllConnections();
  }
});
