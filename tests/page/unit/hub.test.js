import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import test from "node:test";
import { Connection } from "../../../src/page/connection.js";
import { HELD_MAX, Hub, UNDERWAY_MAX } from "../../../src/page/hub.js";

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
  const connection = new Connection(server.url, { rows: (rows) => lines.push(...rows.map((row) => row.line)), state: () => {}, present: () => {} });
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
  const connection = new Connection(server.url, { rows: () => {}, state: () => {}, present: () => {} });
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
  const connection = new Connection(server.url, { rows: () => {}, state: () => {}, present: () => {} });
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

/** A tab of a hub, and the lines that it got. @param {Hub} hub @param {string} url @param {boolean} shown */
function tabOf(hub, url, shown) {
  const tab = { lines: /** @type {string[]} */ ([]), said: /** @type {string[]} */ ([]), states: /** @type {string[]} */ ([]), port: /** @type {any} */ ({ onmessage: null }), ask: (/** @type {any} */ asked) => tab.port.onmessage({ data: asked }) };
  tab.port.postMessage = (/** @type {any} */ said) => {
    if (said.type === "rows") tab.lines.push(...said.rows.map((/** @type {any} */ row) => row.line));
    tab.said.push(said.type);
    if (said.type === "state") tab.states.push(said.state.kind);
  };
  hub.join(tab.port);
  tab.ask({ type: "open", url, turn: 1, shown });
  return tab;
}

/** A server of numbered records, as many as have been written, for ever or to the present end. */
async function numbered() {
  const log = { written: 0, held: new Set(), asked: /** @type {string[]} */ ([]), close: () => {}, url: "" };
  /** @type {Map<Answer, number>} */
  const followers = new Map();
  const server = createServer((request, answer) => {
    const query = new URL(String(request.url), "http://h").searchParams;
    const given = request.headers["last-event-id"];
    const from = given === undefined ? log.written : Number(given);
    const follows = query.get("follow") !== "false";
    log.asked.push(String(query.get("match")));
    if (!follows && given !== undefined && from === log.written) return answer.writeHead(204).end();
    hello(answer, String(from));
    const to = Math.min(log.written, from + Number(query.get("limit") ?? Infinity));
    if (to > from) records(answer, from + 1, to - from);
    if (!follows) return answer.end();
    followers.set(answer, log.written);
    log.held.add(query.get("match"));
    answer.on("close", () => [followers.delete(answer), log.held.delete(query.get("match"))]);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  log.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/events?match=`;
  log.close = () => [server.closeAllConnections(), server.close()];
  const write = (/** @type {number} */ count) => {
    log.written += count;
    for (const [answer, had] of followers) {
      records(answer, had + 1, log.written - had);
      followers.set(answer, log.written);
    }
  };
  return Object.assign(log, { write });
}

test("of ten different streams some are held and the others take turns: each gets every record once", async (test) => {
  const log = await numbered();
  test.after(() => log.close());
  const hub = new Hub();
  const tabs = Array.from({ length: 10 }, (_, at) => tabOf(hub, `${log.url}${at}`, at > 5));
  test.after(() => tabs.forEach((tab) => tab.ask({ type: "bye" })));
  await eventually(() => tabs.every((tab) => tab.states.includes("live")));
  for (const tab of tabs) tab.states.length = 0;
  assert.deepEqual([...log.held].sort(), ["7", "8", "9"], "those that were shown last");
  const total = 9000;
  while (log.written < total) {
    log.write(150);
    await eventually(() => tabs.some((tab) => tab.lines.length === log.written));
    if (log.written % 1500 === 0) for (const [at, tab] of tabs.entries()) tab.ask({ type: "shown", shown: at % 3 === (log.written / 1500) % 3 });
    await eventually(() => log.held.size <= HELD_MAX);
  }
  const all = Array.from({ length: total }, (_, at) => String(at + 1));
  await eventually(() => tabs.every((tab) => tab.lines.length >= total));
  for (const tab of tabs) assert.deepEqual(tab.lines, all);
  assert.deepEqual(tabs.flatMap((tab) => tab.states), [], "nothing is said of whose turn it is");
  tabs[0].ask({ type: "shown", shown: true });
  await eventually(() => log.held.has("0"));
  for (const tab of tabs) tab.ask({ type: "bye" });
  await eventually(() => log.held.size === 0);
  log.close();
});

test("a tab that is alone holds its stream only while it is shown, and has every record all the same", async (test) => {
  const log = await numbered();
  const tab = tabOf(new Hub(true), `${log.url}a`, true);
  test.after(() => [tab.ask({ type: "bye" }), log.close()]);
  await eventually(() => log.held.size === 1);
  tab.ask({ type: "shown", shown: false });
  await eventually(() => log.held.size === 0);
  log.write(10);
  await eventually(() => tab.lines.length === 10);
  tab.ask({ type: "shown", shown: true });
  await eventually(() => log.held.size === 1);
  log.write(10);
  await eventually(() => tab.lines.length === 20);
});

test("who asks again for what was refused is heard, though another tab stands there refused", async (test) => {
  let allowed = false;
  const server = await serving((answer) => (allowed ? hello(answer, "0") : answer.writeHead(401).end()));
  const hub = new Hub();
  const tabs = [0, 1].map(() => tabOf(hub, server.url, true));
  test.after(() => [tabs.forEach((tab) => tab.ask({ type: "bye" })), server.close()]);
  await eventually(() => tabs.every((tab) => tab.states.includes("refused")));
  allowed = true;
  tabs[0].ask({ type: "open", url: server.url, turn: 2, shown: true });
  await eventually(() => tabs[0].states.at(-1) === "live");
  assert.equal(tabs[1].states.at(-1), "refused");
});

for (const shown of [true, false]) {
  test(`who joins a stream that has much to catch up (${shown ? "held" : "by turns"}) gets what comes after that`, async (test) => {
    /** @type {{answer: Answer, follows: boolean}[]} */
    const asked = [];
    const server = createServer((request, answer) => asked.push({ answer, follows: !request.url?.includes("follow=false") }));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/events?`;
    const hub = new Hub(true);
    const early = tabOf(hub, url, shown);
    test.after(() => [late.ask({ type: "bye" }), early.ask({ type: "bye" }), server.closeAllConnections(), server.close()]);
    await eventually(() => asked.length === 1);
    hello(asked[0].answer, "0");
    if (shown) asked[0].answer.write("event: live\ndata: {}\nid: 0\n\n");
    await eventually(() => early.states.at(-1) === "live");
    asked[0].answer.destroy();
    await eventually(() => asked.length === 2);
    const [, { answer, follows }] = asked;
    assert.equal(follows, shown);
    hello(answer, "0");
    records(answer, 1, 10);
    await eventually(() => early.lines.length === 10);
    const late = tabOf(hub, url, shown);
    assert.ok(!late.said.includes("joined"), "it would have these lines below newer ones");
    records(answer, 11, 10);
    if (shown) answer.write("event: live\ndata: {}\nid: 20\n\n");
    else answer.end();
    await eventually(() => late.said.includes("joined"));
    if (!shown) await eventually(() => asked.length === 3);
    if (!shown) hello(asked[2].answer, "20");
    records(asked.at(-1)?.answer ?? answer, 21, 10);
    await eventually(() => late.lines.length === 10 && early.lines.length === 30);
    assert.deepEqual(late.lines, Array.from({ length: 10 }, (_, at) => String(at + 21)));
  });
}
