//! `text/event-stream` as the WHATWG text parses it (HTML Standard 9.2.6), and stricter than any client: what breaks one of
//! the known client libraries is kept as a violation.

/// One block of a stream, as dispatched at its blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The event's name, if the block has one.
    pub event: Option<String>,
    /// The `data:` lines, joined by LF.
    pub data: String,
    /// The id that stands in this very block.
    pub id: Option<String>,
    /// The reconnection time in milliseconds.
    pub retry: Option<u64>,
}

/// The events that the agent makes; every other block is a record.
const MADE_BY_THE_AGENT: [&str; 7] = ["hello", "pos", "busy", "gap", "live", "rotate", "log"];

impl Block {
    /// Whether the block is called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.event.as_deref() == Some(name)
    }

    /// Whether the block carries a record of a log.
    pub fn is_record(&self) -> bool {
        self.event.as_deref().is_none_or(|name| !MADE_BY_THE_AGENT.contains(&name))
    }

    /// The id, which every block of a stream has.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_else(|| panic!("no id in {self:?}"))
    }

    /// The data as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// An incremental parser.
#[derive(Default)]
pub struct Parser {
    line: Vec<u8>,
    fields: Vec<(String, String)>,
    violations: Vec<String>,
    comments: usize,
    after_cr: bool,
    started: bool,
}

impl Parser {
    /// Takes in the next bytes, in whatever pieces they come, and gives the blocks that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(*end)),
                _ => (piece, None),
            };
            self.line.extend_from_slice(text);
            let second_half = std::mem::take(&mut self.after_cr) && end == Some(b'\n') && self.line.is_empty();
            if let (Some(end), false) = (end, second_half) {
                self.after_cr = end == b'\r';
                self.note(end == b'\r', "a CR ends a line");
                let line = std::mem::take(&mut self.line);
                blocks.extend(self.line(&line));
            }
        }
        blocks
    }

    /// What a strict client would object to.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// How many comment lines there were.
    pub fn comments(&self) -> usize {
        self.comments
    }

    /// Whether the stream stands between two blocks.
    pub fn between_blocks(&self) -> bool {
        self.line.is_empty() && self.fields.is_empty()
    }

    fn line(&mut self, bytes: &[u8]) -> Option<Block> {
        let first = !std::mem::replace(&mut self.started, true);
        let bom = first && bytes.starts_with(b"\xEF\xBB\xBF");
        self.note(bom, "a BOM");
        self.note(bytes.contains(&0), "a NUL");
        let text = String::from_utf8_lossy(&bytes[if bom { 3 } else { 0 }..]).into_owned();
        self.note(str::from_utf8(bytes).is_err(), "invalid UTF-8");
        if text.is_empty() {
            return self.dispatch();
        }
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        if name.is_empty() {
            self.note(!self.fields.is_empty(), "a comment within a block");
            self.comments += 1;
            return None;
        }
        let value = value.strip_prefix(' ').unwrap_or_else(|| {
            if !value.is_empty() {
                self.violations.push(format!("no space after the colon of {name}"));
            }
            value
        });
        self.fields.push((name.to_owned(), value.to_owned()));
        None
    }

    fn dispatch(&mut self) -> Option<Block> {
        let fields = std::mem::take(&mut self.fields);
        if fields.is_empty() {
            self.violations.push("a blank line that ends no block".to_owned());
            return None;
        }
        let mut block = Block::default();
        let mut data = Vec::new();
        for (place, (name, value)) in fields.iter().enumerate() {
            let mut only_one = |given: bool| self.note(given, "a field twice in one block");
            match name.as_str() {
                "data" => data.push(value.as_str()),
                "event" => only_one(block.event.replace(value.clone()).is_some()),
                "id" => {
                    only_one(block.id.replace(value.clone()).is_some());
                    self.note(place + 1 != fields.len(), "the id is not the last field of its block");
                    self.note(value.is_empty(), "an empty id");
                }
                "retry" => {
                    only_one(block.retry.replace(value.parse().unwrap_or(0)).is_some());
                    self.note(value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()), "retry is not a number");
                }
                _ => self.note(true, "an unknown field"),
            }
        }
        block.data = data.join("\n");
        self.note(data.is_empty(), "a block without data");
        self.note(block.id.is_none() && !block.is("busy"), "a block with data but without an id");
        self.note(block.retry.is_some() && !block.is("hello") && !block.is("busy"), "retry outside hello");
        (!data.is_empty()).then_some(block)
    }

    fn note(&mut self, wrong: bool, what: &str) {
        if wrong {
            self.violations.push(what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> (Vec<Block>, Vec<String>) {
        let mut parser = Parser::default();
        let blocks = parser.feed(text.as_bytes());
        (blocks, parser.violations)
    }

    #[test]
    fn a_well_formed_stream_parses_without_objection() {
        let (blocks, violations) =
            parse("retry: 2140\nevent: hello\ndata: {}\nid: 1\n\n:\n:\ndata: a\ndata:  b\nid: 2\n\ndata: half");
        assert_eq!(violations, [""; 0]);
        assert_eq!(blocks.len(), 2);
        assert_eq!((blocks[0].retry, blocks[0].event.as_deref()), (Some(2140), Some("hello")));
        assert_eq!((blocks[1].data.as_str(), blocks[1].id()), ("a\n b", "2"));
    }

    #[test]
    fn each_breach_of_the_wire_form_is_found() {
        for (text, breach) in [
            ("data: a\rid: 1\n\n", "a CR ends a line"),
            ("data: a\0\nid: 1\n\n", "a NUL"),
            ("\u{FEFF}data: a\nid: 1\n\n", "a BOM"),
            ("id: 1\ndata: a\n\n", "the id is not the last field of its block"),
            ("data: a\n\n", "a block with data but without an id"),
            ("retry: 5\ndata: a\nid: 1\n\n", "retry outside hello"),
            ("retry: 5\n\n", "a block without data"),
            (":\n\n", "a blank line that ends no block"),
            ("data: a\n:\nid: 1\n\n", "a comment within a block"),
            ("data: a\nfoo: b\nid: 1\n\n", "an unknown field"),
            ("data: a\nid: 1\nid: 2\n\n", "a field twice in one block"),
        ] {
            let (_, violations) = parse(text);
            assert!(violations.iter().any(|violation| violation == breach), "{text:?} gave {violations:?}");
        }
        let mut parser = Parser::default();
        parser.feed(b"data: \xFF\nid: 1\n\n");
        assert_eq!(parser.violations, ["invalid UTF-8"]);
    }

    proptest! {
        #[test]
        fn a_stream_parses_the_same_in_any_pieces(text in "(data: [a-c]?|id: [1-3]|:|event: x|\n|\r|\r\n){0,30}", piece in 1..9usize) {
            let mut whole = Parser::default();
            let expected = whole.feed(text.as_bytes());
            let mut parser = Parser::default();
            let blocks: Vec<_> = text.as_bytes().chunks(piece).flat_map(|bytes| parser.feed(bytes)).collect();
            prop_assert_eq!(blocks, expected);
            prop_assert_eq!(parser.violations, whole.violations);
        }
    }
}
