// What this browser remembers of the page for the next time. Does without where it must not remember anything, as in some
// frames.

/** So many marks are remembered, the last ones. */
const MARKS_MAX = 500;

/** @param {string} name @returns {string} what was remembered, or "" */
export function recall(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Full, or forbidden.
  }
}

/** @returns {Set<string>} the marked rows, by their own positions */
export function recallMarks() {
  return new Set(recall("marks").split(" ").filter(Boolean));
}

/** @param {Set<string>} marks */
export function rememberMarks(marks) {
  remember("marks", [...marks].slice(-MARKS_MAX).join(" "));
}
