import assert from "node:assert/strict";
import test from "node:test";
import { byTime, gapInWords, joinTrace, levelOf, ownPosition, rowOf, rowOfNotice, rowOfRecord } from "../../../src/page/row.js";

test("a record object becomes a row; a JSON line in a plain log tells its level itself", () => {
  const row = rowOfRecord('{"log":"app","id":"x","time":"2026-11-22T10:00:00Z","level":"warn","line":"a","truncated":true,"line_bytes":9}', "x");
  assert.deepEqual([row.log, row.time, row.level, row.line, row.cut], ["app", Date.UTC(2026, 10, 22, 10), 5, "a", 9]);
  assert.equal(rowOfRecord(JSON.stringify({ line: '{"level":"error"}' }), "x").level, 6);
  assert.equal(rowOfRecord(JSON.stringify({ line: '{"level":50}' }), "x").level, 6);
  assert.equal(rowOfRecord("no json", "x").line, "no json");
});

test("levels go by many names", () => {
  assert.deepEqual(["ERROR", "err", "Warning", "30", "", "strange", "panic"].map(levelOf), [6, 6, 5, 3, 0, 0, 7]);
});

test("a level that nobody knows is none, and its row can be sent to another tab", () => {
  for (const level of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    const row = rowOfRecord(JSON.stringify({ line: JSON.stringify({ level, msg: "x" }) }), "x");
    assert.equal(row.level, 0, level);
    assert.deepEqual(structuredClone(row), row);
  }
});

test("a gap says what is missing and why", () => {
  const words = gapInWords({ reason: "gone", log: "app", file: "app.log.1", certain: true, lost_bytes: 1234, may_repeat: false });
  assert.equal(words, "Lines are missing here in app: the file that held them is no longer there (app.log.1). 1,234 bytes.");
  assert.match(gapInWords({ reason: "ambiguous", certain: false, may_repeat: true }), /^Lines may be missing here: .*shown before\.$/);
  assert.equal(rowOfNotice("gap", '{"reason":"gone"}', "i")?.kind, "gap");
  assert.equal(rowOfNotice("pos", "{}", "i"), null);
});

test("a row's own position is the first of its id", () => {
  // The last bit of a position tells whether it stands alone.
  assert.equal(ownPosition("1a.b.3.c.9xyd~1e.f.4.g.h~check"), ownPosition("1a.b.3.c.9xyc"));
  assert.notEqual(ownPosition("1a.b.3.c.9xyd"), ownPosition("1a.b.3.c.9xye"));
});

test("history of several logs is in the order of its times, each log in its own order", () => {
  const row = (/** @type {string} */ log, /** @type {number} */ time, /** @type {string} */ line) => rowOf({ log, time, line });
  const sorted = byTime([row("a", NaN, "a0"), row("a", 1, "a1"), row("a", NaN, "a2"), row("a", 5, "a3"), row("b", 2, "b1"), row("b", 1, "b2"), row("b", 6, "b3")]);
  assert.deepEqual(sorted.map((row) => row.line), ["a0", "a1", "a2", "b1", "b2", "a3", "b3"]);
});

test("lines of a trace belong to the row before", () => {
  const lines = ["ERROR failed", "java.io.IOException: x", "\tat a.B.c(B.java:1)", "Caused by: y", "\t... 12 more", "INFO on", "Traceback (most recent call last):", '  File "x.py", line 1, in f', "    y = z", "KeyError: 'price'", "done"];
  const rows = lines.map((line, at) => rowOf({ line, log: "app", level: line.startsWith("ERROR") ? 6 : line.startsWith("INFO") ? 3 : 0, id: String(at) }));
  rows.forEach((row, at) => joinTrace(row, rows[at - 1]));
  assert.deepEqual(rows.map((row) => row.part), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]);
  assert.equal(rows[2].level, 6, "a trace is as grave as what it belongs to");
  const other = rowOf({ line: "\tat x", log: "web" });
  joinTrace(other, rows[0]);
  assert.equal(other.part, 0, "not of another log");
});
