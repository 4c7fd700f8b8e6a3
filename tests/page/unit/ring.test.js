import assert from "node:assert/strict";
import test from "node:test";
import { ROWS_MAX, Ring } from "../../../src/page/ring.js";
import { rowOf } from "../../../src/page/row.js";

/** @param {number} from @param {number} count */
const rows = (from, count) => Array.from({ length: count }, (_, at) => rowOf({ line: String(from + at) }));

test("rows keep their numbers whatever comes and goes at both ends", () => {
  const ring = new Ring(() => 1);
  ring.append(rows(0, 1000));
  ring.prepend(rows(-500, 500));
  assert.deepEqual([ring.first, ring.end, ring.get(-500)?.line, ring.get(999)?.line, ring.get(1000)], [-500, 1000, "-500", "999", undefined]);
  ring.dropBefore(100);
  ring.dropFrom(900);
  assert.deepEqual([ring.size, ring.total, ring.get(99), ring.get(100)?.line, ring.get(899)?.line], [800, 800, undefined, "100", "899"]);
});

test("a full ring that goes on for ever finds every row by its height", () => {
  const ring = new Ring((row) => Number(row.line) % 3);
  for (let at = 0; at < 700_000; at += 1000) {
    const over = ring.size + 1000 - ROWS_MAX;
    if (over > 0) ring.dropBefore(ring.first + over);
    ring.append(rows(at, 1000));
  }
  assert.equal(ring.size, ROWS_MAX);
  let above = 0;
  for (let number = ring.first; number < ring.end; number++) {
    const height = ring.height(number);
    if (number % 4999 === 0 || number < ring.first + 3) assert.equal(ring.above(number), above, `above ${number}`);
    if (height > 0 && number % 997 === 0) {
      assert.equal(ring.at(above), number);
      assert.equal(ring.at(above + height - 1), number);
    }
    above += height;
  }
  assert.equal(ring.total, above);
  assert.equal(ring.above(ring.end), above);
  assert.equal(ring.at(above + 5), ring.end - 1);
});

test("heights that turn out otherwise count at once", () => {
  const ring = new Ring(() => 2);
  ring.append(rows(0, 2000));
  ring.setHeight(700, 40);
  assert.equal(ring.above(701), 2 * 700 + 40);
  assert.equal(ring.at(2 * 700 + 39), 700);
  assert.equal(ring.total, 4000 + 38);
});

test("what looks like a part of a trace is one only where all lines are here", () => {
  const lines = ["2026 ERROR failed", "Caused by: x", "\tat y"];
  for (const folds of [true, false]) {
    const ring = new Ring((row) => (row.part > 0 && !row.open ? 0 : 1));
    ring.folds = folds;
    ring.append(lines.map((line) => rowOf({ line })));
    ring.prepend(lines.map((line) => rowOf({ line })));
    assert.equal(ring.total, folds ? 2 : 6);
    assert.deepEqual([ring.get(2)?.part, ring.get(-1)?.part], folds ? [2, 2] : [0, 0]);
  }
});
