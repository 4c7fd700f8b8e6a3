//! Zstandard content (RFC 8878) as a stream: frame after frame, each checked. Reads forward only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How Zstandard files begin, unless with a frame to skip.
pub const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How much of the file is read at once, in bytes.
const INPUT_BYTES: usize = 64 * 1024;
/// The largest window that a file may ask for: so much memory unpacking it takes. What RFC 8878 recommends to support, and as
/// much as `zstd -19` asks for; without a limit a few bytes could ask for all memory.
pub const WINDOW_BYTES_MAX: u64 = 8 << 20;
/// How much content is unpacked at once, in bytes.
const CONTENT_BYTES: usize = 64 * 1024;

/// The content of a Zstandard file from its beginning on.
pub struct Zstd {
    source: BufReader<PositionedFile>,
    decoder: FrameDecoder,
    in_frame: bool,
    content: Vec<u8>,
}

impl Zstd {
    /// The content of `file`.
    pub fn new(file: Arc<File>) -> Self {
        let source = BufReader::with_capacity(INPUT_BYTES, PositionedFile { file, at: 0 });
        Zstd { source, decoder: FrameDecoder::new(), in_frame: false, content: vec![0; CONTENT_BYTES] }
    }

    /// The next bytes of content; none at its end.
    ///
    /// # Errors
    /// What reading the file gives; `InvalidData` where it is damaged, `UnexpectedEof` where it ends too early.
    pub fn more(&mut self) -> io::Result<&[u8]> {
        loop {
            if !self.in_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(&[]);
                }
                self.in_frame = self.begin_frame()?;
                continue;
            }
            if !self.decoder.is_finished() && self.decoder.can_collect() < CONTENT_BYTES {
                let enough = BlockDecodingStrategy::UptoBytes(CONTENT_BYTES);
                self.decoder.decode_blocks(&mut self.source, enough).map_err(damaged)?;
            }
            let read = self.decoder.read(&mut self.content)?;
            if read > 0 {
                return Ok(&self.content[..read]);
            }
            if self.decoder.is_finished() {
                self.end_frame()?;
            }
        }
    }

    /// Reads a frame's header, or skips a frame without content; whether content follows.
    fn begin_frame(&mut self) -> io::Result<bool> {
        if let Some(window) = self.window()?.filter(|window| *window > WINDOW_BYTES_MAX) {
            let why = format!("unpacking it takes {window} bytes of memory, and may take {WINDOW_BYTES_MAX}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        match self.decoder.init(&mut self.source) {
            Ok(()) => Ok(true),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                if skipped == u64::from(length) { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
            Err(error) => Err(damaged(error)),
        }
    }

    /// The window that the next frame asks for (RFC 8878, 3.1.1.1); none if it is no such frame, which reading it says.
    fn window(&self) -> io::Result<Option<u64>> {
        let next = self.source.get_ref();
        let mut header = [0; 18];
        let length = next.file.read_at(&mut header, next.at - self.source.buffer().len() as u64)?;
        let [descriptor, rest @ ..] = &header[MAGIC.len()..] else { return Ok(None) };
        if !header.starts_with(MAGIC) || length <= MAGIC.len() + 1 {
            return Ok(None);
        }
        if descriptor & 0x20 == 0 {
            let (exponent, mantissa) = (rest[0] >> 3, u64::from(rest[0] & 7));
            let base = 1_u64 << (10 + exponent);
            return Ok(Some(base + base / 8 * mantissa));
        }
        // All of its content, whose size stands behind the number of a dictionary.
        let skipped = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size = |count: usize| rest[skipped..].iter().take(count).rev().fold(0, |size, &byte| size << 8 | u64::from(byte));
        Ok(Some(match descriptor >> 6 {
            0 => size(1),
            1 => size(2) + 256,
            2 => size(4),
            _ => size(8),
        }))
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let (stored, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        if stored.is_some() && stored != found {
            return Err(damaged("its checksum does not fit its content"));
        }
        Ok(())
    }
}

/// A file read from its beginning without moving the offset that its other users share.
struct PositionedFile {
    file: Arc<File>,
    at: u64,
}

impl Read for PositionedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn damaged(why: impl Into<Box<dyn std::error::Error>>) -> io::Error {
    let why = why.into();
    let mut causes = std::iter::successors(Some(&*why), |&error| error.source());
    if causes.any(|cause| cause.downcast_ref().is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::UnexpectedEof)) {
        return io::ErrorKind::UnexpectedEof.into();
    }
    io::Error::new(io::ErrorKind::InvalidData, format!("the Zstandard file is damaged: {why}"))
}
