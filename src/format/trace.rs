//! Which lines belong together without being told: stack traces and other indented text, as Java, Python, Rust, Go,
//! Node.js, .NET, Ruby and PHP print them.

use super::level::Level;

/// What was seen of a group of lines, as far as it says what may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    state: State,
    /// Whether any of them was indented.
    has_indented: bool,
}

/// ```text
/// Text ──▶ Failed ──▶ Empty ──▶ Frames ──▶ Empty ──▶ …
///  └──▶ Python, Rust, Go, Php, Ruby, Node: what their own lines say
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A line of text.
    #[default]
    Text,
    /// A line that says that something failed: an empty one may stand before the trace.
    Failed,
    /// An exception and where it came from; another one that is named is another record.
    Frames,
    /// Frames that end in what the error has in it, up to a brace (Node.js).
    Braces,
    /// An empty line behind a failure or a trace.
    Empty,
    /// A Python traceback; the line that names the exception is still to come.
    Python,
    /// Between two tracebacks of a chain.
    PythonChain,
    /// A Rust panic; its message is the next line.
    RustMessage,
    /// The rest of a Rust panic.
    Rust,
    /// A Go panic: goroutines and empty lines between them.
    Go,
    /// A Ruby error that nobody rescued, and its causes.
    Ruby,
    /// PHP's numbered frames.
    Php,
    /// Where Node.js died: the source line.
    NodeSource,
    /// The mark below it; the error is the next line that is not empty.
    NodeMark,
    /// The error itself, perhaps with what was required from where.
    Node,
}

impl Trace {
    /// A group that starts with `line`.
    pub fn new(line: &[u8]) -> Self {
        let failed = || Level::of_text(line) >= Some(Level::Error);
        let state = begun(line).unwrap_or_else(|| if failed() { State::Failed } else { State::Text });
        Trace { state, has_indented: false }
    }

    /// Whether `line` belongs to the group. If so it is taken note of.
    pub fn takes(&mut self, line: &[u8]) -> bool {
        let Some(next) = self.next(line) else { return false };
        self.state = next;
        self.has_indented |= is_indented(line);
        true
    }

    fn next(self, line: &[u8]) -> Option<State> {
        let indented = is_indented(line);
        let blank = line.is_empty();
        let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
        match self.state {
            State::RustMessage => Some(State::Rust),
            State::Rust if starts(&["note: ", "stack backtrace:", "thread caused ", "fatal runtime error: "]) => {
                Some(State::Rust)
            }
            State::Go if blank || continues_go(line) => Some(State::Go),
            State::Ruby if blank || ruby_header(line) || ruby_frame(line) || starts(&["Did you mean?"]) => Some(State::Ruby),
            State::Php if starts(&["#", "\"}", "[previous exception]", "[stacktrace]"]) => Some(State::Php),
            State::NodeSource if line.trim_ascii() == b"^" => Some(State::NodeMark),
            State::NodeMark if !indented => Some(if blank { State::NodeMark } else { State::Node }),
            State::Node if starts(&["Require stack:", "- "]) => Some(State::Node),
            State::Braces if line == b"}" => Some(State::Frames),
            // Of a value that was printed over several lines.
            state if self.has_indented && only_closes(line) => Some(state),
            State::Python if !indented => (!blank).then_some(State::Frames),
            State::PythonChain if blank => Some(State::PythonChain),
            State::PythonChain | State::Text | State::Failed | State::Empty if begun(line) == Some(State::Python) => {
                Some(State::Python)
            }
            State::Text | State::Failed | State::Frames | State::Node if indented && line.trim_ascii().starts_with(b"at ") => {
                Some(if line.ends_with(b"{") { State::Braces } else { State::Frames })
            }
            state if indented => Some(state),
            State::Failed | State::Frames | State::Php | State::Node | State::Rust if blank => Some(State::Empty),
            State::Text | State::Failed | State::Empty if names_exception(line) => Some(State::Frames),
            State::Text | State::Failed if goroutine(line) => Some(State::Go),
            State::Text | State::Failed | State::Frames => continues(line),
            State::Empty if starts(&["During handling of the above", "The above exception was"]) => Some(State::PythonChain),
            State::Empty if starts(&["Caused by:", "Stack backtrace:", "stack backtrace:", "Next ", "Node.js v"]) => {
                Some(State::Frames)
            }
            _ => None,
        }
    }
}

/// PostgreSQL indents the empty lines of a statement, too.
fn is_indented(line: &[u8]) -> bool {
    line.first().is_some_and(|first| b" \t".contains(first))
}

/// `}`, `)],`
fn only_closes(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.first().is_some_and(|first| b"}])".contains(first)) && line.iter().all(|byte| b"}]),;".contains(byte))
}

/// The kind of trace that a line begins.
fn begun(line: &[u8]) -> Option<State> {
    let holds = |text: &str| memchr::memmem::find(line, text.as_bytes()).is_some();
    match () {
        () if line.starts_with(b"Traceback (most recent call last):") => Some(State::Python),
        () if [&b"panic: "[..], b"fatal error: ", b"SIGQUIT: ", b"SIGABRT: "].iter().any(|start| line.starts_with(start)) => {
            Some(State::Go)
        }
        // Rust before 1.73 had the message in the same line.
        () if line.starts_with(b"thread '") && holds("panicked at '") => Some(State::Rust),
        () if line.starts_with(b"thread '") && holds("panicked at ") => Some(State::RustMessage),
        () if ruby_header(line) => Some(State::Ruby),
        () if node_source(line) => Some(State::NodeSource),
        () if names_exception(line) => Some(State::Frames),
        () => None,
    }
}

/// What a line that is not indented makes of the text or the frames before it, if it belongs to them.
fn continues(line: &[u8]) -> Option<State> {
    let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
    match () {
        () if starts(&[
            "Caused by: ",
            "Suppressed: ",
            "--- End of ",
            "stack backtrace:",
            "note: run with `RUST_",
            "note: Some details",
        ]) || ruby_frame(line) =>
        {
            Some(State::Frames)
        }
        () if starts(&["Stack trace:", "[stacktrace]"]) => Some(State::Php),
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

/// What stands in a Go panic: where goroutines are, what they were doing, registers.
fn continues_go(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] =
        [b"goroutine ", b"[signal ", b"created by ", b"exit status ", b"runtime stack:", b"PC=", b"...", b"panic: "];
    let called = line.split(|&byte| byte == b'(').next().unwrap_or_default();
    // `main.(*Server).serve(0xc000010000, {0x1, 0x2})`
    let is_call = line.ends_with(b")") && called.contains(&b'.') && !called.contains(&b' ');
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let is_register =
        words.next().is_some() && words.next().is_some_and(|word| word.starts_with(b"0x")) && words.next().is_none();
    is_call || is_register || STARTS.iter().any(|start| line.starts_with(start))
}

/// `goroutine 18 [running]:`
fn goroutine(line: &[u8]) -> bool {
    line.starts_with(b"goroutine ") && line.ends_with(b"]:")
}

/// What stands behind `/app/a.rb:3:in ` at the beginning of a line.
fn behind_ruby_place(line: &[u8]) -> Option<&[u8]> {
    let at = [&b":in `"[..], b":in '"].iter().find_map(|start| memchr::memmem::find(line, start))?;
    let digits = line[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let path = line[..at - digits].strip_suffix(b":").filter(|path| !path.is_empty() && !path.contains(&b' '));
    path.filter(|_| digits > 0).map(|_| &line[at + b":in `".len()..])
}

/// `/app/a.rb:3:in 'Shop#pay'`
fn ruby_frame(line: &[u8]) -> bool {
    behind_ruby_place(line).is_some_and(|method| method.ends_with(b"'"))
}

/// `/app/a.rb:3:in 'Shop#pay': no stock (RuntimeError)`
fn ruby_header(line: &[u8]) -> bool {
    behind_ruby_place(line).is_some_and(|rest| memchr::memmem::find(rest, b"': ").is_some() && rest.ends_with(b")"))
}

/// `/app/index.js:3`, `node:internal/modules/cjs/loader:1147`: what Node.js says first when it dies.
fn node_source(line: &[u8]) -> bool {
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let begins = [&b"/"[..], b"file:///", b"node:"].iter().any(|start| line.starts_with(start));
    begins && digits > 0 && line[..line.len() - digits].ends_with(b":") && !line.contains(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a text into its groups: how many lines each has.
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

    /// Traces as programs really print them, each under a line that names it.
    fn traces() -> impl Iterator<Item = (&'static str, &'static str)> {
        let parts = include_str!("traces.txt").trim_end_matches('\n').split("\n=== ").skip(1);
        parts.map(|part| part.split_once('\n').expect("a name and a trace"))
    }

    #[test]
    fn traces_of_many_languages_are_one_record_each_with_the_line_that_they_belong_to() {
        assert!(traces().count() > 20);
        let behind = "2026-11-22 10:00:01.5 INFO after (it)\nINFO end";
        for (name, trace) in traces() {
            let lines = trace.split('\n').count();
            assert_eq!(groups(&format!("{trace}\n{behind}")), [lines, 1, 1], "{name}");
            for level in ["INFO", "WARNING", "ERROR"] {
                let text = format!("INFO ok\n2026-11-22 10:00:00 {level} failed\n{trace}\n{behind}");
                let own = name.contains("begins") || name.contains("alone");
                let expected = if own { vec![1, 1, lines, 1, 1] } else { vec![1, 1 + lines, 1, 1] };
                assert_eq!(groups(&text), expected, "{name} behind {level}");
            }
        }
    }

    #[test]
    fn two_traces_one_behind_the_other_are_two_records() {
        let java = "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n";
        assert_eq!(groups(&java.repeat(3)), [2, 2, 2]);
        let dotnet = "Unhandled exception. System.InvalidOperationException: no\n   at A.B() in /a.cs:line 3\n";
        assert_eq!(groups(&dotnet.repeat(3)), [2, 2, 2]);
        let rust = "thread 'main' panicked at src/main.rs:2:5:\nno\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(groups(&rust.repeat(3)), [3, 3, 3]);
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nValueError: no\n";
        assert_eq!(groups(&python.repeat(3)), [3, 3, 3]);
    }

    #[test]
    fn ordinary_lines_are_groups_of_their_own() {
        assert_eq!(groups("a\nb\n\nc\n  indented\nd\nErrors: none\nan Exception\n"), [1, 1, 1, 2, 1, 1, 1]);
        assert_eq!(groups("LOG:  statement: select 1,\n\t\n\t  2\nLOG:  next\n\nLOG:  end"), [3, 1, 1, 1]);
        assert_eq!(groups("INFO got {\n  \"a\": [\n    1\n  ]\n}\nINFO b\n}\n"), [5, 1, 1]);
        assert_eq!(groups("# a\n#1 b\n- c\n}\nNext d\nNode.js v20\nCaused by:\n"), [1, 1, 1, 1, 1, 1, 1]);
    }

    proptest! {
        #[test]
        fn any_lines_are_grouped_without_a_panic(lines in proptest::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let mut trace = Trace::new(&lines[0]);
            for line in &lines[1..] {
                let _ = trace.takes(line);
            }
        }

        #[test]
        fn traces_that_were_torn_and_mixed_end_at_the_next_two_lines_with_a_time(
            lines in proptest::sample::subsequence(include_str!("traces.txt").lines().collect::<Vec<_>>(), 1..20),
        ) {
            let text = format!("{}\n2026-11-22 10:00:01.5 INFO one (it)\n2026-11-22 10:00:02.5 INFO two (it)\nINFO end", lines.join("\n"));
            let sizes = groups(&text);
            prop_assert_eq!(sizes.iter().sum::<usize>(), lines.len() + 3);
            // A torn one may take one line for its message, never two.
            prop_assert_eq!(&sizes[sizes.len() - 2..], [1, 1]);
        }
    }
}
