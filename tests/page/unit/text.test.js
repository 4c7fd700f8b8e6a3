import assert from "node:assert/strict";
import test from "node:test";
import { ansi, pieces, plain, standsOut, withoutTime } from "../../../src/page/text.js";

/** @param {string} line */
const kinds = (line) => Object.fromEntries(standsOut(line).filter((piece) => piece.kind).map((piece) => [piece.text, piece.kind]));

test("what stands out is known by its form", () => {
  assert.deepEqual(kinds("INFO took=12ms rows=1 from 192.0.2.80:443 see https://x.example/a?b=1."), {
    INFO: "level l-info", took: "key", "12ms": "duration", rows: "key", 1: "number", "192.0.2.80:443": "ip", "https://x.example/a?b=1": "url",
  });
  assert.equal(kinds('"GET / HTTP/1.1" 502 157')["502"], "status s5");
  assert.equal(kinds("trace 4bf92f3577b34da6a3ce929d0e0e4736")["4bf92f3577b34da6a3ce929d0e0e4736"], "id");
  assert.equal(kinds("[26/Nov/2026:07:27:33 +0000]")["26/Nov/2026:07:27:33 +0000"], "stamp");
});

test("a number is a status where those who serve HTTP write one, and nowhere else", () => {
  const status = (/** @type {string} */ line) => standsOut(line).filter((piece) => piece.kind.startsWith("status")).map((piece) => piece.text);
  const said = [
    '"GET / HTTP/1.1" 502 157', '"GET /a HTTP/2.0" 404 - "-"', '"GET /" 200', "status=500 a", "status: 503", "Status 404 of it", '{"status":404,', '{"statusCode": 201}', 'http_status="302"',
    "200 12ms", "POST /x 201 12.3 ms - 45", "GET /x 404", "GET /x -> 404", "GET /x: 404", "GET https://x.example/a 404", "GET /x 404: nothing there", "| 200 |    1.2ms | 192.0.2.1 | GET",
    "HTTP/2 503", "HTTP/1.1 404 Not Found", "Completed 200 OK in 5ms",
  ];
  for (const line of said) assert.equal(status(line).length, 1, line);
  const others = [
    "order 512", "order 512 shipped", "took 300 ms", "exit code=137", "port 443", "queue: 200", "250 of 300", "200", "status=200ms", "status 500.5", "status 5000", "GET /x took 300", "sent 404 bytes",
    "took 12ms 404", "-200 12ms", "GET /x/404 done", "line 100 - end", 'named "x" 200 of 300', "ids 100 200 300 ms",
  ];
  for (const line of others) assert.deepEqual(status(line), [], line);
});

test("cut into pieces, a line is still the whole line", () => {
  for (const line of ["", "a=1 b=2", "x".repeat(9000), "2026-11-22T10:00:00Z ERROR 5s 50% -3 1.2.3", "ünïcödé 12µs ☃"]) {
    assert.equal(pieces(line).map((piece) => piece.text).join(""), line);
  }
});

test("terminal colours become classes, and other escapes go", () => {
  const line = "\x1b[1;31merror\x1b[0m ok \x1b[38;5;196mred\x1b[39m \x1b[48;2;1;2;3mbg\x1b[m\x1b[2K\x1b]0;title\x07end";
  assert.equal(plain(line), "error ok red bgend");
  const styled = ansi(line).map(({ text, style }) => [text, style?.fg ?? "", style?.bg ?? "", style?.classes ?? ""]);
  assert.deepEqual(styled, [["error", "a1", "", "bold"], [" ok ", "", "", ""], ["red", "rgb(255 0 0)", "", ""], [" ", "", "", ""], ["bg", "", "rgb(1 2 3)", ""], ["end", "", "", ""]]);
});

test("nonsense after an escape colours nothing and loses nothing", () => {
  for (const line of ["\x1b[38;5mx", "\x1b[999mx", "\x1b[38;9;1mx", "\x1bx"]) assert.match(plain(line), /x$/);
});

test("the time that a line begins with has a column of its own", () => {
  assert.equal(withoutTime("2026-11-22T10:00:00.123Z INFO x"), "INFO x");
  assert.equal(withoutTime("[2026-11-22 10:00:00,123] x"), "x");
  assert.equal(withoutTime("x 2026-11-22T10:00:00Z"), "x 2026-11-22T10:00:00Z");
});
