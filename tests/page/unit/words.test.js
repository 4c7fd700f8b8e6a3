import assert from "node:assert/strict";
import test from "node:test";
import * as address from "../../../src/page/address.js";
import { backoff, isFinal } from "../../../src/page/connection.js";
import { matcher, parse } from "../../../src/page/find.js";
import { fields, summary } from "../../../src/page/fields.js";
import { countTimes, rowAt, stepFor, sum } from "../../../src/page/histogram.js";
import { KEYS, actionOf } from "../../../src/page/keys.js";
import { LogColours } from "../../../src/page/look.js";
import { rowOf } from "../../../src/page/row.js";
import { amount, clock, delta, shown, size, span } from "../../../src/page/time.js";
import { searchWords } from "../../../src/page/bar.js";
import { bytesAround } from "../../../src/page/view.js";

test("what the address says comes back as it was", () => {
  const all = { find: 'a -b "c d" /e&f/ level:warn', highlight: true, at: "1a.b.3~x", time: /** @type {const} */ ("utc"), wrap: true, embed: true };
  assert.deepEqual(address.read(address.write(all)), all);
  assert.equal(address.write(address.read("")), "");
  assert.equal(address.read("?time=nonsense").time, "local");
});

test("the command for a shell is quoted so that nothing in it is run", () => {
  const filter = new URLSearchParams([["match", "it's $(x) `y`"]]);
  const command = address.curl("http://h:1/", filter, { tail: "5" }, false);
  assert.equal(command, "curl -N 'http://h:1/tail?match=it%27s+%24%28x%29+%60y%60&tail=5'");
  assert.equal(address.curl("http://h:1/", new URLSearchParams(), { after: "1a" }, true), `curl -N -H "Authorization: Bearer $SIDETAIL_TOKEN" 'http://h:1/tail?after=1a'`);
});

test("it waits longer each time, with some chance in it, and never longer than half a minute", () => {
  assert.equal(backoff(1, 2000, 1), 2000);
  assert.equal(backoff(1, 2000, 0), 1000);
  assert.equal(backoff(3, 2000, 1), 8000);
  assert.equal(backoff(50, 2000, 1), 30_000);
  assert.equal(backoff(1, 0, 1), 500);
  assert.deepEqual([400, 401, 404, 408, 429, 500, 503].map(isFinal), [true, true, true, false, false, false, false]);
});

test("JSON is shown with its message first, and taken apart to terms that find it", () => {
  const line = '{"time":"x","level":"error","msg":"not paid","order":12,"user":{"name":"a \\"b\\""}}';
  assert.deepEqual(summary(line), { message: "not paid", level: "error", time: "x", rest: [["order", "12"], ["user", '{"name":"a \\"b\\""}']] });
  const all = fields(line);
  assert.deepEqual(all.map(({ name, value }) => [name, value]), [["time", "x"], ["level", "error"], ["msg", "not paid"], ["order", "12"], ["user.name", 'a "b"']]);
  for (const { pattern } of all) assert.equal(new RegExp(pattern.slice(1, -1)).test(line), true, pattern);
  assert.equal(new RegExp(all[3].pattern.slice(1, -1)).test('{"order": 12}'), true, "spaces do not matter");
  assert.equal(new RegExp(all[3].pattern.slice(1, -1)).test('{"order":123}'), false);
  assert.deepEqual(fields('a=1 b="two words"').map(({ name, value }) => [name, value]), [["a", "1"], ["b", "two words"]]);
  const finds = (/** @type {string} */ line, /** @type {string} */ other) => matcher(parse(fields(line)[0].pattern))(other);
  assert.deepEqual(["x user=a/b", "user=a/b y", "user=a/b2", "super.user=a/b", "user=A/B", 'user=a/b"'].map((other) => finds("user=a/b", other)), [true, true, false, false, false, true]);
  assert.deepEqual(['x b="two words" y', 'b="two'].map((other) => finds('b="two words"', other)), [true, false]);
  assert.deepEqual(summary('{"ts":1,"level":null,"severity":30}'), { message: "", level: "30", time: "1", rest: [] });
  assert.equal(summary("{broken"), null);
});

test("logs in view have colours of their own while there are enough, and a name has the same one everywhere", () => {
  const names = Array.from({ length: 8 }, (_, number) => `service-${number}/app.log`);
  for (const several of [names, [...names].reverse()]) {
    const colours = new LogColours();
    const given = several.map((name) => colours.of(name));
    assert.deepEqual([...given].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(several.map((name) => colours.of(name)), given, "and keep them");
    assert.ok(colours.of("one more") < 8);
    assert.deepEqual(several.map((name) => colours.of(name)), given);
  }
  assert.equal(new LogColours().of("web"), new LogColours().of("web"));
  const colours = new LogColours();
  for (const name of names) colours.of(name);
  for (let row = 0; row < 1000; row++) colours.of(names[row % 7]);
  colours.of("one more");
  const given = [...names.slice(0, 7), "one more"].map((name) => colours.of(name));
  assert.equal(new Set(given).size, 8, "what is long gone makes room");
});

test("a histogram counts every row once, by time and gravity", () => {
  const list = [0, 1000, 1500, 61_000].map((time, at) => rowOf({ time, level: [3, 5, 6, 7][at] }));
  const rows = { first: 0, end: 4, get: (/** @type {number} */ number) => list[number] };
  const buckets = countTimes(rows, 100);
  assert.ok(buckets);
  assert.deepEqual([sum(buckets.all), sum(buckets.warn), sum(buckets.error), buckets.step], [4, 1, 2, 1000]);
  assert.deepEqual([buckets.all[0], buckets.all[1], buckets.all[61]], [1, 2, 1]);
  assert.equal(rowAt(rows, 1200), 2);
  assert.equal(countTimes({ ...rows, get: () => rowOf({}) }, 10), null);
  assert.equal(stepFor(3_600_000, 100), 60_000);
});

test("times and amounts are in words", () => {
  const time = Date.UTC(2026, 10, 22, 10, 0, 1, 123);
  assert.equal(clock(time, true), "10:00:01.123");
  assert.equal(shown(time, "utc", time + 5000, NaN), "10:00:01.123");
  assert.equal(shown(time, "utc", time + 86_400_000, NaN), "11-22 10:00:01.123");
  assert.equal(shown(time, "relative", time + 252_000, NaN), "4 min 12 s ago");
  assert.equal(shown(time, "delta", 0, time - 1203), "+1.203");
  assert.equal(shown(NaN, "utc", 0, 0), "");
  assert.deepEqual([delta(-1203), span(90_000), span(7_260_000), amount(1, "line"), amount(1234, "line"), size(41_200_000), size(1500), size(3)], ["−1.203", "1 min 30 s", "2 h 1 min", "1 line", "1,234 lines", "41 MB", "1.5 kB", "3 bytes"]);
});

test("every key has one meaning, and none where somebody writes or a modifier is held", () => {
  const keys = KEYS.flatMap(([keys]) => keys);
  assert.equal(new Set(keys).size, keys.length);
  const press = (/** @type {string} */ key, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });
  assert.equal(actionOf(press("n"), false), "next");
  assert.equal(actionOf(press("n"), true), "");
  assert.equal(actionOf(press("Escape"), true), "leave");
  assert.equal(actionOf(press("c", { ctrlKey: true }), false), "");
});

test("how far behind one is, in bytes, over the rotation in between", () => {
  const generations = [
    { hint: "fff0", first: 0, last: null, size: 70, compressed: true },
    { hint: "fff2", first: 0, last: 500, size: 500 },
    { hint: "fff4", first: 10, last: 110, size: 120 },
  ];
  const logs = [{ head: "1aaaa.g2.110.c.fff4", generations }, { head: "1bbbb.g.50.c.fff8", generations: [{ hint: "fff8", first: 0, last: 50 }] }, { head: null, generations: [] }];
  // An id of several logs has another last digit.
  assert.deepEqual(bytesAround(logs, "1aaaa.g2.50.c.fff5~1bbbb.g.20.c.fff9~check"), [70 + 500 + 40 + 20, 60 + 30]);
  assert.deepEqual(bytesAround(logs, "1aaaa.g1.200.c.fff2"), [70 + 200, 300 + 100]);
  assert.deepEqual(bytesAround(logs, "1aaaa.g0.5000.c.fff0"), [70, 600], "further than the file is long on the disk");
  assert.deepEqual(bytesAround(logs, ""), [0, 0]);
  assert.deepEqual(bytesAround(logs, "1aaaa.g9.5.c.fffy"), [NaN, 670], "a file that is not known");
});

test("a search for older lines says how far it came of how much, or for how long it runs", () => {
  assert.equal(searchWords(400, 41_000_000, 1_200_000_000), "Searching older lines: 41 MB of 1.2 GB");
  assert.equal(searchWords(400, 0, NaN), "Searching older lines …");
  assert.equal(searchWords(4000, 0, 0), "Searching older lines for 4 s …");
  assert.equal(searchWords(4000, 0, 0, { back: false }), "Searching newer lines for 4 s … (Esc stops)");
  assert.equal(searchWords(400, 41_000_000, 1_200_000_000, { back: true }), "Searching older lines: 41 MB of 1.2 GB (Esc stops)");
});
