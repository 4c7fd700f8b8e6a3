// What the benchmark does in the page: each function is sent there as it stands, and keeps what it finds in `own`.

/** Before the page's code: `firstRow` is when the first row is there and its frame begins. */
export function whenFirstRow() {
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".row")) return;
    requestAnimationFrame(() => (/** @type {any} */ (globalThis).firstRow = performance.now()));
    observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
}

/** Before the page's code: counts the rows that the worker hands on, and says where a number does not follow the one before. */
export function watchRows() {
  const order = { count: 0, last: NaN, wrong: /** @type {string[]} */ ([]) };
  /** @type {any} */ (globalThis).own = { order, tasks: [], lags: [], frames: [] };
  const { set } = /** @type {{set: (this: MessagePort, heard: (event: MessageEvent) => void) => void}} */ (Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage"));
  Object.defineProperty(MessagePort.prototype, "onmessage", {
    set(heard) {
      set.call(this, (event) => {
        for (const { line } of event.data.type === "rows" ? event.data.rows : []) {
          const number = Number(/\/orders\/(\d+)\?/.exec(line)?.[1]);
          if (order.count > 0 && number !== order.last + 1 && order.wrong.length < 20) order.wrong.push(`after ${order.last} comes ${line.slice(0, 80)}`);
          order.last = number;
          order.count++;
        }
        heard.call(this, event);
      });
    },
  });
}

/** From now on: tasks over 50 ms, and how long after it was due a timer runs: every task, long or not, is in the way of some. */
export function follow() {
  const { own } = /** @type {any} */ (globalThis);
  new PerformanceObserver((list) => own.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
  let due = performance.now() + 20;
  setInterval(() => {
    own.lags.push(Math.max(0, performance.now() - due));
    due = performance.now() + 20;
  }, 20);
}

/** All rows that the tab holds, as who copies them has them. */
export function newestRows() {
  const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
  lines.focus();
  lines.dispatchEvent(new KeyboardEvent("keydown", { key: "a", ctrlKey: true, bubbles: true }));
  const data = new DataTransfer();
  lines.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
  lines.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  const numbers = [...data.getData("text/plain").matchAll(/\/orders\/(\d+)\?/g)].map((found) => Number(found[1]));
  const wrong = numbers.flatMap((number, at) => (at > 0 && number !== numbers[at - 1] + 1 ? [`held: after ${numbers[at - 1]} comes ${number}`] : []));
  return { count: numbers.length, last: numbers.at(-1), wrong: wrong.slice(0, 20) };
}

/** From now on: how long the page's own code takes in each frame. */
export function watchFrames() {
  const own = (/** @type {any} */ (globalThis).own ??= { frames: [] });
  const { requestAnimationFrame } = globalThis;
  let frame = 0;
  globalThis.requestAnimationFrame = (work) =>
    requestAnimationFrame((time) => {
      const began = performance.now();
      work(time);
      if (frame !== time) own.frames.push(0);
      frame = time;
      own.frames[own.frames.length - 1] += performance.now() - began;
    });
}

/** Scrolls for 300 frames from the middle on, in turn by so many pixels; between frames, as somebody's wheel does. @param {number[]} steps */
export async function scroll(steps) {
  const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
  const { own } = /** @type {any} */ (globalThis);
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  lines.scrollTop = lines.scrollHeight / 2;
  await frame();
  await frame();
  own.frames.length = 0;
  const start = lines.scrollTop;
  const [took, rows] = /** @type {number[][]} */ ([[], []]);
  for (let last = performance.now(), step = 0; step < 300; step++) {
    lines.scrollTop += steps[step % steps.length];
    await frame();
    took.push(performance.now() - last);
    last = performance.now();
    rows.push(document.querySelectorAll("#rows .row").length);
  }
  return { took, rows, own: /** @type {number[]} */ (own.frames), moved: Math.round(lines.scrollTop - start) };
}
