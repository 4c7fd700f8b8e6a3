//! A subscriber: one response that carries events, read as they come.

use std::collections::VecDeque;
use std::time::Instant;

use super::client::Response;
use super::sse::{Block, Parser};
use super::wait::PATIENCE;

/// An open stream of events. Any breach of the wire form fails the test at once.
pub struct Stream {
    response: Response,
    parser: Parser,
    ready: VecDeque<Block>,
    hello: Block,
    /// What came last, for the message when nothing comes any more.
    last: Option<Block>,
}

impl Stream {
    /// Takes over a response to `GET /events` and reads its `hello`.
    pub fn open(response: Response) -> Self {
        assert_eq!(response.status(), 200, "the status of a stream");
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        let parser = Parser::default();
        let mut stream = Stream { response, parser, ready: VecDeque::new(), hello: Block::default(), last: None };
        stream.hello = stream.next().expect("a hello");
        assert!(stream.hello.is("hello"), "the first block is {:?}", stream.hello);
        stream
    }

    /// The first block.
    pub fn hello(&self) -> &Block {
        &self.hello
    }

    /// How `hello` says that the stream goes on: `fresh`, `exact` or `gap`.
    pub fn resumed(&self) -> String {
        self.hello.json()["resume"].as_str().expect("hello says resume").to_owned()
    }

    /// A header of the response.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// The port that it is read through.
    pub fn local_port(&self) -> u16 {
        self.response.local_port()
    }

    /// The next block; nothing at the clean end of the stream. Fails if the connection is cut or nothing comes.
    pub fn next(&mut self) -> Option<Block> {
        self.try_next().unwrap_or_else(|cut| panic!("{cut}, after {:?}", self.last))
    }

    /// The next block; nothing at the clean end of the stream, an error where the connection was cut.
    pub fn try_next(&mut self) -> Result<Option<Block>, String> {
        let deadline = Instant::now() + PATIENCE;
        while self.ready.is_empty() {
            if Instant::now() > deadline {
                return Err("nothing but heartbeats came".to_owned());
            }
            let Some(bytes) = self.response.some()? else {
                assert!(self.parser.between_blocks(), "the stream ended within a block");
                return Ok(None);
            };
            self.ready.extend(self.parser.feed(&bytes));
            assert_eq!(self.parser.violations(), [""; 0], "breaches of the wire form");
        }
        self.last = self.ready.pop_front();
        Ok(self.last.clone())
    }

    /// How many heartbeats there were.
    pub fn heartbeats(&self) -> usize {
        self.parser.comments()
    }

    /// Waits for the stream's `count`th heartbeat; fails if an event comes instead.
    pub fn heartbeat(&mut self, count: usize) {
        while self.parser.comments() < count {
            let bytes = self.response.some().expect("a heartbeat, not a cut").expect("a heartbeat, not the end");
            assert_eq!(self.parser.feed(&bytes), [], "events instead of heartbeats");
        }
    }

    /// The next block that is a record, over `pos` events; fails at a gap and at the end.
    pub fn record(&mut self) -> Block {
        loop {
            let block = self.next().expect("a record, not the end");
            assert!(!block.is("gap"), "a gap: {}", block.data);
            if block.is_record() {
                return block;
            }
        }
    }

    /// The next `count` records.
    pub fn records(&mut self, count: usize) -> Vec<Block> {
        (0..count).map(|_| self.record()).collect()
    }

    /// The text of the next `count` records.
    pub fn lines(&mut self, count: usize) -> Vec<String> {
        self.records(count).into_iter().map(|record| record.data).collect()
    }

    /// Checks that the next records are exactly these lines, and tells the first that is not.
    pub fn goes_on_with(&mut self, lines: &[String]) {
        for (place, line) in lines.iter().enumerate() {
            assert_eq!(&self.record().data, line, "line {place} of {}", lines.len());
        }
    }

    /// All blocks up to the clean end, without `hello`.
    pub fn rest(mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        while let Some(block) = self.next() {
            blocks.push(block);
        }
        blocks
    }
}

/// The text of the records among `blocks`; fails at a gap.
pub fn lines_of(blocks: &[Block]) -> Vec<String> {
    let gap = blocks.iter().find(|block| block.is("gap"));
    assert!(gap.is_none(), "a gap: {gap:?}");
    blocks.iter().filter(|block| block.is_record()).map(|block| block.data.clone()).collect()
}
