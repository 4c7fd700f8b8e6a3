import assert from "node:assert/strict";
import test from "node:test";
import { SseParser } from "../../../src/page/sse.js";

/** @param {string} wire @param {number} size */
function parse(wire, size) {
  /** @type {import("../../../src/page/sse.js").SseEvent[]} */
  const events = [];
  const parser = new SseParser();
  for (let at = 0; at < wire.length; at += size) parser.push(wire.slice(at, at + size), (event) => events.push(event));
  return { events, parser };
}

const WIRE = "\ufeffretry: 250\r\n\r\n: hello\n\nid: a.1\nevent: line\ndata: one\ndata:two\n\nid: a.2\rdata\r\rdata: cut off";

test("a stream gives the same events however it is cut", () => {
  const whole = parse(WIRE, WIRE.length).events;
  assert.deepEqual(whole, [
    { id: "a.1", event: "line", data: "one\ntwo" },
    { id: "a.2", event: "message", data: "" },
  ]);
  for (let size = 1; size < WIRE.length; size++) assert.deepEqual(parse(WIRE, size).events, whole, `pieces of ${size}`);
});

test("retry and the last id are kept", () => {
  const { parser } = parse(WIRE, 3);
  assert.equal(parser.retry, 250);
  assert.equal(parser.lastEventId, "a.2");
});

test("an id with NUL and a retry that is no number are passed over", () => {
  const { events, parser } = parse("id: x\nid: a\0b\nretry: soon\ndata: d\n\n", 100);
  assert.equal(events[0].id, "x");
  assert.equal(parser.retry, null);
});
