// The colours of the style sheet, as numbers: a browser sees only those that are in view.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";

const CSS = fs.readFileSync(new URL("../../../src/page/page.css", import.meta.url), "utf8");
const PAIR = String.raw`light-dark\((#\w+), (#\w+)\)`;
const GROUNDS = ["paper", "hover", "chosen", "error-bg", "warn-bg"];
const WORDS = ["ink", "quiet", "accent", "error", "warn", "number", "id", "good"];
/** WCAG 2.2, 1.4.3. */
const CONTRAST_MIN = 4.5;
/** So far apart in Oklab two colours beside each other are told apart at a glance. */
const APART_MIN = 0.08;

/** @param {string} colour `#abc` or `#aabbcc` @returns {number[]} its linear parts */
function linear(colour) {
  const digits = colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit).join("") : colour.slice(1);
  const parts = [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16) / 255);
  return parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
}

/** @param {string} one @param {string} other */
function contrast(one, other) {
  const [dark, light] = [one, other].map((colour) => linear(colour)).map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** @param {string} colour */
function oklab(colour) {
  const [r, g, b] = linear(colour);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

const named = new Map([...CSS.matchAll(new RegExp(`--([\\w-]+): ${PAIR}`, "g"))].map(([, name, light, dark]) => [name, [light, dark]]));
const logs = [...CSS.matchAll(new RegExp(`\\.c\\d \\{ color: ${PAIR}`, "g"))].map(([, light, dark]) => [light, dark]);
const contrastTheme = CSS.slice(CSS.indexOf('data-theme="contrast"'), CSS.indexOf("@media"));
const bright = new Map([...contrastTheme.matchAll(/--([\w-]+): (#\w+);/g)].map(([, name, colour]) => [name, colour]));
/** @type {[string, (name: string) => string, string[]][]} */
const THEMES = [
  ["light", (name) => String(named.get(name)?.[0]), logs.map(([light]) => light)],
  ["dark", (name) => String(named.get(name)?.[1]), logs.map(([, dark]) => dark)],
  ["high contrast", (name) => bright.get(name) ?? String(named.get(name)?.[1]), logs.map(([, dark]) => dark)],
];

for (const [theme, colour, ofLogs] of THEMES) {
  test(`every word and every log's name can be read on every ground: ${theme}`, () => {
    assert.equal(ofLogs.length, 8);
    for (const ground of GROUNDS) {
      const words = [...WORDS.map((name) => [name, colour(name)]), ...ofLogs.map((log, at) => [`c${at}`, log])];
      const faint = words.filter(([, word]) => !(contrast(word, colour(ground)) >= CONTRAST_MIN));
      assert.deepEqual(faint, [], `on ${ground}`);
    }
  });

  test(`no two logs have colours that look alike: ${theme}`, () => {
    const alike = ofLogs.flatMap((one, at) => ofLogs.slice(at + 1).filter((other) => Math.hypot(...oklab(one).map((part, axis) => part - oklab(other)[axis])) < APART_MIN).map((other) => [one, other]));
    assert.deepEqual(alike, []);
  });
}
