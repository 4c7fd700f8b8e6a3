//! Which lines belong together without being told: stack traces and other indented text, as Java, Python, Rust and Go
//! print them.

/// What was seen of a group of lines, as far as it says what may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace(State);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing but indented lines follow.
    #[default]
    Text,
    /// A Python traceback; the line that names the exception is still to come.
    Python,
    /// It has come; another traceback may follow behind an empty line.
    PythonEnd,
    /// Between two tracebacks of a chain.
    PythonChain,
    /// A Rust panic; its message is the next line.
    RustMessage,
    /// The rest of a Rust panic.
    Rust,
    /// A Go panic: goroutines and empty lines between them.
    Go,
}

impl Trace {
    /// A group that starts with `line`.
    pub fn new(line: &[u8]) -> Self {
        Trace(begun(line).unwrap_or(State::Text))
    }

    /// Whether `line` belongs to the group. If so it is taken note of.
    pub fn takes(&mut self, line: &[u8]) -> bool {
        let Some(next) = self.next(line) else { return false };
        self.0 = next;
        true
    }

    fn next(self, line: &[u8]) -> Option<State> {
        let indented = line.first().is_some_and(|first| b" \t".contains(first)) && !line.trim_ascii().is_empty();
        let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
        match self.0 {
            // A program logs that something failed, and prints the trace behind it.
            State::Text if begun(line) == Some(State::Python) => Some(State::Python),
            State::PythonEnd if line.is_empty() => Some(State::PythonChain),
            State::PythonChain if line.is_empty() || starts(&["During handling of", "The above exception"]) => {
                Some(State::PythonChain)
            }
            State::PythonChain => begun(line).filter(|state| *state == State::Python),
            State::Python if !indented => (!line.is_empty()).then_some(State::PythonEnd),
            State::RustMessage => Some(State::Rust),
            State::Rust if starts(&["note: ", "stack backtrace:"]) => Some(State::Rust),
            State::Go if line.is_empty() || line.ends_with(b")") => Some(State::Go),
            State::Go if starts(&["goroutine ", "[signal ", "created by ", "exit status ", "runtime "]) => Some(State::Go),
            state if indented => Some(state),
            State::Text if starts(&["Caused by: ", "Suppressed: "]) || names_exception(line) => Some(State::Text),
            _ => None,
        }
    }
}

/// The kind of trace that a line begins.
fn begun(line: &[u8]) -> Option<State> {
    let holds = |text: &str| memchr::memmem::find(line, text.as_bytes()).is_some();
    match () {
        () if line.starts_with(b"Traceback (most recent call last):") => Some(State::Python),
        () if line.starts_with(b"panic: ") || line.starts_with(b"fatal error: ") => Some(State::Go),
        () if line.starts_with(b"thread '") && holds("panicked at ") => Some(State::RustMessage),
        () => None,
    }
}

/// `java.lang.IllegalStateException: no` on a line of its own.
fn names_exception(line: &[u8]) -> bool {
    let length = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"._$".contains(byte)).count();
    let (name, rest) = line.split_at(length);
    let named = [&b"Exception"[..], b"Error", b"Throwable"].iter().any(|end| name.ends_with(end));
    named && name.contains(&b'.') && (rest.is_empty() || rest.starts_with(b":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a text into its groups.
    fn groups(text: &str) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut open: Option<Trace> = None;
        for line in text.lines() {
            if open.as_mut().is_some_and(|trace| trace.takes(line.as_bytes())) {
                *sizes.last_mut().unwrap() += 1;
            } else {
                open = Some(Trace::new(line.as_bytes()));
                sizes.push(1);
            }
        }
        sizes
    }

    #[test]
    fn traces_of_four_languages_are_one_group_each() {
        let java = "INFO ok\nERROR failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\tat d.E.f(E.java:2)\n\
                    Caused by: java.io.IOException: disk\n\tat g.H.i(H.java:3)\n\t... 2 more\nINFO next";
        assert_eq!(groups(java), [1, 7, 1]);
        let python = "INFO ok\nERROR failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n\
                      ValueError: no\n\nDuring handling of the above exception, another exception occurred:\n\n\
                      Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    g()\nKeyError: 'x'\nINFO next";
        assert_eq!(groups(python), [1, 12, 1]);
        let rust = "INFO ok\nthread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\n\
                    stack backtrace:\n   0: rust_begin_unwind\n             at /rustc/x\n\
                    note: run with `RUST_BACKTRACE=full` for a verbose backtrace.\nINFO next";
        assert_eq!(groups(rust), [1, 6, 1]);
        let go = "INFO ok\npanic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\n\
                  main.f(...)\n\t/tmp/a.go:5\nmain.main()\n\t/tmp/a.go:9 +0x1d\nexit status 2\nINFO next";
        assert_eq!(groups(go), [1, 8, 1]);
    }

    #[test]
    fn ordinary_lines_are_groups_of_their_own() {
        assert_eq!(groups("a\nb\n\nc\n  indented\nd\nErrors: none\nan Exception\n"), [1, 1, 1, 2, 1, 1, 1]);
    }

    proptest! {
        #[test]
        fn any_lines_are_grouped_without_a_panic(lines in proptest::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let mut trace = Trace::new(&lines[0]);
            for line in &lines[1..] {
                let _ = trace.takes(line);
            }
        }
    }
}
