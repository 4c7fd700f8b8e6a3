import assert from "node:assert/strict";
import test from "node:test";
import { PATTERNS_MAX, marks, matcher, parameters, parse, quoted, toggled, withField } from "../../../src/page/find.js";

/** @param {string} text */
const asked = (text) => parameters(parse(text), false).toString();

test("words become patterns that must all match, and ignore case unless they have capitals", () => {
  assert.equal(decodeURIComponent(asked("timeout Gateway")), "match=(?i)timeout&match=Gateway");
  assert.equal(decodeURIComponent(asked("a.b[0]")), "match=(?i)a\\.b\\[0\\]");
});

test("a minus leaves out, quotes are exact, slashes are a regular expression", () => {
  assert.equal(decodeURIComponent(asked('-debug "GET /x" /\\d{3}ms/ /a b/i')).replaceAll("+", " "), "exclude=(?i)debug&match=GET /x&match=\\d{3}ms&match=(?i)a b");
  assert.equal(decodeURIComponent(asked('-"a b" -/x|y/')).replaceAll("+", " "), "exclude=a b&exclude=x|y");
});

test("a path is a word and no regular expression", () => {
  assert.deepEqual(parse("/orders/12").terms.map((term) => term.kind), ["word"]);
});

test("fields are what the server filters by; times say where to start", () => {
  const query = parse('level:warn log:web log:app event:update since:15m until:"2 m"');
  assert.equal(parameters(query, false).toString(), "log=web&log=app&level=warn&event=update");
  assert.deepEqual([query.since, query.until], ["15m", "2 m"]);
});

test("where words only mark lines the server does not get them", () => {
  assert.equal(parameters(parse("level:error x -y"), true).toString(), "level=error");
});

test("what is wrong is said in a sentence", () => {
  assert.match(parse("level:").errors[0], /level: wants a value, like level:warn/);
  assert.match(parse("-log:web").errors[0], /log: can't be left out/);
  assert.match(parse(Array(PATTERNS_MAX + 1).fill("x").join(" ")).errors[0], /more than 16 words to find/);
  assert.deepEqual(parse("key:value time:12 -").errors, []);
});

test("lines are matched here as there", () => {
  const matches = matcher(parse("paid -late /order=\\d+/"));
  assert.equal(matches("PAID order=12"), true);
  assert.equal(matches("paid order=12 late"), false);
  assert.equal(matches("paid order=x"), false);
  assert.equal(marks(parse("/(?i)x(?P<n>y)/"))[0].test("XY"), true);
  assert.deepEqual(marks(parse("/a(?x: b)/")), [], "an expression of the server's own is not an error");
});

test("a value becomes a term that finds exactly it, and goes as it came", () => {
  for (const value of ["plain", "two words", 'with "quotes"', "-minus", "/slash/", "level:x", "back\\slash"]) {
    const [term] = parse(quoted(value)).terms;
    assert.equal(term.text, value);
    assert.equal(term.not, false);
  }
  assert.equal(toggled("a b", "c"), "a b c");
  assert.equal(toggled("a b c", "b"), "a c");
  assert.equal(withField("a level:warn b", "level", "error"), "a b level:error");
  assert.equal(withField('a since:"1 h"', "since", ""), "a");
  assert.equal(withField('"a  since:1h  b"  since:2h /x  y/', "since", "3h"), '"a  since:1h  b" /x  y/ since:3h', "what is exact stays so");
});
