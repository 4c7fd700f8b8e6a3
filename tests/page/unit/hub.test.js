import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import test from "node:test";
import { Connection } from "../../../src/page/connection.js";
import { Hub, UNDERWAY_MAX } from "../../../src/page/hub.js";

/** @typedef {import("node:http").ServerResponse} Answer */

/** A server of streams; each request is handed out. @param {(answer: Answer, lastId: string) => void} serve */
async function serving(serve) {
  const server = createServer((request, answer) => serve(answer, String(request.headers["last-event-id"] ?? "")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/events`, close: () => [server.closeAllConnections(), server.close()] };
}

/** @param {Answer} answer @param {string} id */
function hello(answer, id) {
  answer.writeHead(200, { "content-type": "text/event-stream" });
  answer.write(`retry: 10\nevent: hello\ndata: {}\nid: ${id}\n\n`);
}

/** @param {Answer} answer @param {number} from @param {number} count */
function records(answer, from, count) {
  const record = (/** @type {number} */ n) => `data: {"line":"${n}"}\nid: ${n}\n\n`;
  answer.write(Array.from({ length: count }, (_, at) => record(from + at)).join(""));
}

/** Waits for something. @param {() => boolean} holds */
async function eventually(holds) {
  for (const deadline = Date.now() + 10_000; !holds(); await new Promise((done) => setTimeout(done, 5))) assert.ok(Date.now() < deadline, "in time");
}

test("a connection that is cut goes on after the last id, and gives every record once", async () => {
  let next = 1;
  const server = await serving((answer, lastId) => {
    assert.equal(lastId, next === 1 ? "" : String(next - 1));
    hello(answer, lastId || "0");
    records(answer, next, 10);
    next += 10;
    if (next < 50) answer.write("data: cut off", () => answer.destroy());
  });
  /** @type {string[]} */
  const lines = [];
  const connection = new Connection(server.url, { rows: (rows) => lines.push(...rows.map((row) => row.line)), state: () => {}, hello: () => {} });
  await eventually(() => lines.length >= 50);
  assert.deepEqual(lines, Array.from({ length: 50 }, (_, at) => String(at + 1)));
  connection.close();
  server.close();
});

test("after the machine slept the connection is made anew, with its id", async () => {
  /** @type {string[]} */
  const ids = [];
  const server = await serving((answer, lastId) => {
    ids.push(lastId);
    hello(answer, lastId || "7");
  });
  const connection = new Connection(server.url, { rows: () => {}, state: () => {}, hello: () => {} });
  await eventually(() => connection.state.kind === "live");
  const { now } = Date;
  Date.now = () => now() + 3_600_000;
  await eventually(() => ids.length === 2);
  Date.now = now;
  assert.deepEqual(ids, ["", "7"]);
  connection.close();
  server.close();
});

test("a request that is refused is not repeated, and says why", async () => {
  let asked = 0;
  const server = await serving((answer) => {
    asked++;
    answer.writeHead(400, { "content-type": "application/problem+json" });
    answer.end('{"detail":"no such thing"}');
  });
  const connection = new Connection(server.url, { rows: () => {}, state: () => {}, hello: () => {} });
  await eventually(() => connection.state.kind === "refused");
  assert.deepEqual(connection.state, { kind: "refused", why: "no such thing" });
  assert.equal(asked, 1);
  connection.close();
  server.close();
});

test("tabs that want the same share a stream; one that does not keep up is told so and holds up nobody", async () => {
  /** @type {Answer[]} */
  const streams = [];
  const server = await serving((answer) => (streams.push(answer), hello(answer, "0")));
  const hub = new Hub();
  const tabs = [0, 1].map(() => {
    const tab = { rows: 0, said: /** @type {string[]} */ ([]), port: /** @type {any} */ ({ onmessage: null }) };
    tab.port.postMessage = (/** @type {any} */ said) => {
      if (said.type === "rows") tab.rows += said.rows.length;
      else tab.said.push(said.type);
    };
    hub.join(tab.port);
    tab.port.onmessage({ data: { type: "open", url: server.url, turn: 1 } });
    return tab;
  });
  const [quick, slow] = tabs;
  await eventually(() => tabs.every((tab) => tab.said.includes("joined")));
  assert.equal(streams.length, 1);
  const total = UNDERWAY_MAX + 20_000;
  for (let sent = 0; sent < total; sent += 1000) {
    records(streams[0], sent, 1000);
    await eventually(() => quick.rows >= sent + 1000);
    quick.port.onmessage({ data: { type: "took", count: 1000 } });
  }
  assert.equal(quick.rows, total);
  assert.ok(slow.rows < total && slow.rows > UNDERWAY_MAX - 2000);
  assert.ok(!slow.said.includes("overrun"), "it is told when it has taken what it got");
  slow.port.onmessage({ data: { type: "took", count: slow.rows } });
  assert.ok(slow.said.includes("overrun"));
  for (const tab of tabs) tab.port.onmessage({ data: { type: "bye" } });
  await once(streams[0], "close");
  server.close();
});
