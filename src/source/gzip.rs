//! Gzip content (RFC 1952) as a stream whose state can be kept, so that unpacking can go on from there later. Reads
//! forward only; checks every member's length and CRC-32.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crc32fast::Hasher;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::content::read_at;

/// How gzip files begin.
pub const MAGIC: &[u8] = &[0x1f, 0x8b];
/// How far back DEFLATE refers, in bytes (RFC 1951 section 2).
const WINDOW_BYTES: usize = 32 * 1024;
/// How much of the file is read at once, in bytes.
const INPUT_BYTES: usize = 64 * 1024;
/// The longest file name or comment in a member's header, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The content of a gzip file from some offset on.
pub struct Gzip {
    file: Arc<File>,
    input: Vec<u8>,
    used: usize,
    state: State,
}

/// Where unpacking stands, without the file. About 43 KiB.
#[derive(Clone)]
pub struct State {
    /// Offset in the file of the next byte to unpack.
    at: u64,
    part: Part,
    decompressor: Box<DecompressorOxide>,
    window: Box<[u8]>,
    window_end: usize,
    crc: Hasher,
    /// Bytes of content of this member, as the trailer counts them: modulo 2³².
    length: u32,
}

/// ```text
/// Header ──▶ Deflate ──▶ Header (of the next member) ──▶ … ──▶ End
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Deflate,
    End,
}

impl Gzip {
    /// The content of `file` from its beginning.
    pub fn new(file: Arc<File>) -> Self {
        let state = State {
            at: 0,
            part: Part::Header,
            decompressor: Box::default(),
            window: vec![0; WINDOW_BYTES].into(),
            window_end: 0,
            crc: Hasher::new(),
            length: 0,
        };
        Gzip::resume(file, state)
    }

    /// The content of `file` from where `state` was taken.
    pub fn resume(file: Arc<File>, state: State) -> Self {
        Gzip { file, input: Vec::new(), used: 0, state }
    }

    /// What it takes to go on from here later.
    pub fn state(&self) -> State {
        State { at: self.state.at - (self.input.len() - self.used) as u64, ..self.state.clone() }
    }

    /// The next bytes of content, at most 32 KiB; none at its end.
    ///
    /// # Errors
    /// What reading the file gives; `UnexpectedEof` where it ends too early, `InvalidData` where it is damaged.
    pub fn more(&mut self) -> io::Result<&[u8]> {
        let from = loop {
            match self.state.part {
                Part::End => return Ok(&[]),
                Part::Header => self.header()?,
                Part::Deflate => {
                    let from = self.inflate()?;
                    if from < self.state.window_end {
                        break from;
                    }
                }
            }
        };
        Ok(&self.state.window[from..self.state.window_end])
    }

    /// Unpacks what fits behind the window's end; where in the window that begins.
    fn inflate(&mut self) -> io::Result<usize> {
        if self.used == self.input.len() && self.fill()? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let state = &mut self.state;
        let from = state.window_end % WINDOW_BYTES;
        let input = &self.input[self.used..];
        let (status, read, written) =
            decompress(&mut state.decompressor, input, &mut state.window, from, TINFL_FLAG_HAS_MORE_INPUT);
        self.used += read;
        state.window_end = from + written;
        let content = &state.window[from..state.window_end];
        state.crc.update(content);
        state.length = state.length.wrapping_add(content.len() as u32);
        match status {
            TINFLStatus::Done => self.trailer()?,
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => {}
            _ => return Err(damaged("its DEFLATE data makes no sense")),
        }
        Ok(from)
    }

    /// Reads a member's header (RFC 1952 section 2.3), or finds the end.
    fn header(&mut self) -> io::Result<()> {
        const FIXED_BYTES: usize = 10;
        let (hcrc, extra, name, comment) = (2, 4, 8, 16);
        if self.used == self.input.len() && self.fill()? == 0 || self.input[self.used] == 0 {
            // Zeros after the last member are padding.
            self.state.part = Part::End;
            return Ok(());
        }
        let mut fixed = [0; FIXED_BYTES];
        for byte in &mut fixed {
            *byte = self.byte()?;
        }
        let [first, second, method, flags, ..] = fixed;
        if [first, second] != *MAGIC || method != 8 {
            return Err(damaged("what follows is no gzip member"));
        }
        if flags & extra != 0 {
            let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
            (0..length).try_for_each(|_| self.byte().map(drop))?;
        }
        for _ in [name, comment].iter().filter(|&text| flags & text != 0) {
            let mut length = 0;
            while self.byte()? != 0 {
                length += 1;
                if length > TEXT_BYTES_MAX {
                    return Err(damaged("the name in its header does not end"));
                }
            }
        }
        if flags & hcrc != 0 {
            self.byte()?;
            self.byte()?;
        }
        *self.state.decompressor = DecompressorOxide::new();
        // Nothing of the member before is within its reach, whatever damaged data refers to.
        self.state.window.fill(0);
        self.state.window_end = 0;
        (self.state.part, self.state.crc, self.state.length) = (Part::Deflate, Hasher::new(), 0);
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let mut trailer = [0; 8];
        for byte in &mut trailer {
            *byte = self.byte()?;
        }
        let expected = [self.state.crc.clone().finalize().to_le_bytes(), self.state.length.to_le_bytes()].concat();
        if trailer[..] != expected {
            return Err(damaged("its checksum does not fit its content"));
        }
        self.state.part = Part::Header;
        Ok(())
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.used == self.input.len() && self.fill()? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.used += 1;
        Ok(self.input[self.used - 1])
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.input.resize(INPUT_BYTES, 0);
        let filled = read_at(&self.file, self.state.at, &mut self.input);
        self.input.truncate(*filled.as_ref().unwrap_or(&0));
        self.used = 0;
        self.state.at += self.input.len() as u64;
        filled
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the gzip file is damaged: {why}"))
}
