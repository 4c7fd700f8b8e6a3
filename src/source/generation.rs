//! One life of one file, and reading its content at offsets, whether it is stored plain or compressed. The only place
//! that opens a log's files and that knows of compression. Never decides which generation is meant.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use rustix::fs::{OFlags, SeekFrom};

use super::identity::{FileIdentity, Head};
use crate::position::{HEAD_BYTES_MAX, Hint};

/// How much is read from a file at once, in bytes.
pub const READ_BYTES: usize = 128 * 1024;
/// The most NUL bytes that are looked through for the first byte of content.
const HOLE_BYTES_MAX: u64 = 1 << 30;

/// One life of one file. A snapshot: the follower replaces it as the file grows and moves.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Orders the generations of a log, the older first, and is never used twice.
    pub serial: u64,
    /// Which file has it now.
    pub identity: FileIdentity,
    /// The file that it is read from, as ids name it.
    pub hint: Hint,
    /// The files that it was read from before: it was copied or compressed while this program looked.
    pub former: Vec<Hint>,
    /// Where that file was last seen.
    pub path: Arc<Path>,
    /// The plain file that it was written to, while that is held open.
    pub held: Option<Arc<File>>,
    /// How the file at `path` stores the content.
    pub storage: Storage,
    /// How the content begins.
    pub head: Head,
    /// Offset just after the last whole record; [`Generation::UNKNOWN_END`] where only reading would tell.
    pub end: u64,
    /// The content before `end` that the position there is made from, if it was read.
    pub tip: Option<Bytes>,
    /// Whether it can still grow.
    pub phase: Phase,
    /// How it grew after it had been settled.
    pub late: Vec<Late>,
    /// When it was last written, by its file's time.
    pub modified: SystemTime,
}

/// How a file stores its content; told by magic bytes, never by the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As it is.
    Plain,
    /// In one or more gzip members (RFC 1952).
    Gzip,
    /// In no file any more: it was truncated or deleted, and only the hot tail may have some of it.
    Lost,
}

/// Whether a generation can still grow.
///
/// ```text
/// Live ──replaced──▶ Settling ──quiet──▶ Settled
///                       ▲───late write──────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The file that has the log's name.
    Live,
    /// Replaced, but a writer may still have it open: ids name it beside its successor.
    Settling,
    /// Replaced and quiet: what it holds is all that it will hold.
    Settled,
}

/// Growth of a generation that had been settled: ids from before do not name it, and mean that all up to `from` was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Offset at which the growth began.
    pub from: u64,
    /// Where the newest generation ended then: its serial and offset. Ids up to there are from before.
    pub since: (u64, u64),
}

impl Generation {
    /// The end of a compressed generation that has not been read to its end.
    pub const UNKNOWN_END: u64 = u64::MAX;

    /// Lets go of the held file: it is read from where it lies now.
    pub fn release(&mut self) {
        if self.held.take().is_some() && self.hint != self.identity.hint() {
            self.former.push(self.hint);
            self.hint = self.identity.hint();
        }
    }

    /// Whether ids with this hint can be of it: it is, or was, in the file that the hint is of.
    pub fn was_at(&self, hint: Hint) -> bool {
        self.hint == hint || self.identity.hint() == hint || self.former.contains(&hint)
    }

    /// Whether its file is there and not even its beginning can be read.
    pub fn is_unreadable(&self) -> bool {
        self.head.bytes().is_empty() && !self.is_empty() && self.storage != Storage::Lost
    }

    /// Whether it holds no record yet.
    pub fn is_empty(&self) -> bool {
        self.end == self.head.base
    }

    /// Whether it may hold a record at or after `offset`.
    pub fn has_more(&self, offset: u64) -> bool {
        offset < self.end
    }

    /// Opens the content for reading.
    ///
    /// # Errors
    /// `NotFound` where the file is in none of the places where it could be; any other error of opening it.
    pub fn open(&self) -> io::Result<Content> {
        if let Some(file) = &self.held {
            return Ok(Content::Plain(file.clone()));
        }
        if self.storage == Storage::Lost {
            return Err(io::Error::new(io::ErrorKind::NotFound, "its file is gone"));
        }
        Ok(Content::of(Arc::new(open_identical(&self.path, self.identity)?), self.storage))
    }
}

/// The content of a generation, open for reading at any offset.
pub enum Content {
    /// Stored as it is.
    Plain(Arc<File>),
    /// Compressed: reading forward is cheap, reading backward starts again.
    Inflating(Box<Inflater>),
}

impl Content {
    /// The content of `file`, which stores it in this way.
    pub fn of(file: Arc<File>, storage: Storage) -> Self {
        match storage {
            Storage::Gzip => Content::Inflating(Box::new(Inflater::new(file))),
            Storage::Plain | Storage::Lost => Content::Plain(file),
        }
    }

    /// Reads up to `length` bytes at `offset`; fewer only at the end of the content.
    ///
    /// # Errors
    /// What reading the file gives; `InvalidData` for damaged compressed data.
    pub fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        match self {
            Content::Plain(file) => {
                let mut buffer = vec![0; length];
                let filled = read_at(file, offset, &mut buffer)?;
                buffer.truncate(filled);
                Ok(buffer)
            }
            Content::Inflating(inflater) => inflater.read(offset, length),
        }
    }
}

/// Fills `buffer` with the bytes of `file` at `offset` and returns how many there are; fewer only at its end.
///
/// # Errors
/// What reading the file gives.
pub fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Inflates a gzip file from its beginning and keeps the window that was read last.
pub struct Inflater {
    file: Arc<File>,
    decoder: MultiGzDecoder<BufReader<PositionedFile>>,
    window: Vec<u8>,
    window_start: u64,
}

impl Inflater {
    fn new(file: Arc<File>) -> Self {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, PositionedFile::new(file.clone())));
        Inflater { file, decoder, window: Vec::new(), window_start: 0 }
    }

    fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        if offset < self.window_start {
            *self = Inflater::new(self.file.clone());
        }
        while self.window_start + (self.window.len() as u64) < offset {
            self.window_start += self.window.len() as u64;
            self.window.clear();
            let missing = offset - self.window_start;
            if self.inflate(missing.min(READ_BYTES as u64) as usize)? == 0 {
                return Ok(Vec::new());
            }
        }
        self.window.drain(..(offset - self.window_start) as usize);
        self.window_start = offset;
        while self.window.len() < length && self.inflate(length - self.window.len())? > 0 {}
        Ok(self.window[..length.min(self.window.len())].to_vec())
    }

    /// Appends up to `length` bytes of content to the window; 0 at its end.
    fn inflate(&mut self, length: usize) -> io::Result<usize> {
        let before = self.window.len();
        self.window.resize(before + length, 0);
        let read = self.decoder.read(&mut self.window[before..]);
        self.window.truncate(before + *read.as_ref().unwrap_or(&0));
        read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// A file read from its beginning without moving the offset that its other users share.
struct PositionedFile {
    file: Arc<File>,
    at: u64,
}

impl PositionedFile {
    fn new(file: Arc<File>) -> Self {
        PositionedFile { file, at: 0 }
    }
}

impl Read for PositionedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Opens a regular file for reading and never waits for one, whatever stands at `path`.
///
/// # Errors
/// What opening gives; `InvalidInput`, in words, for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<(File, FileIdentity)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, not_regular(&metadata)));
    }
    Ok((file, FileIdentity::of(&metadata)))
}

/// What something is that is no regular file, in words.
pub fn not_regular(metadata: &std::fs::Metadata) -> String {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    let kind = match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    format!("this is {kind}, and only regular files can be followed")
}

/// Opens the file that has `identity`: at `path`, or where a rotation has meanwhile moved it in the same folder.
///
/// # Errors
/// `NotFound` where it is in neither place; what reading the folder gives.
pub fn open_identical(path: &Path, identity: FileIdentity) -> io::Result<File> {
    let matching = |path: PathBuf| open_regular(&path).ok().filter(|(_, found)| *found == identity).map(|(file, _)| file);
    if let Some(file) = matching(path.to_path_buf()) {
        return Ok(file);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let moved = std::fs::read_dir(folder)?.filter_map(Result::ok).find_map(|entry| {
        let same = entry.metadata().is_ok_and(|metadata| metadata.is_file() && FileIdentity::of(&metadata) == identity);
        if same { matching(entry.path()) } else { None }
    });
    moved.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{}: the file is gone", path.display())))
}

/// A file with fewer bytes does not tell yet how it stores its content.
pub const MAGIC_BYTES: u64 = 6;
/// Magic bytes of compressed files that can't be read.
const OTHER_COMPRESSION: [(&str, &[u8]); 3] = [("zstd", &[0x28, 0xb5, 0x2f, 0xfd]), ("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh")];

/// How `file` stores its content, by its first bytes.
///
/// # Errors
/// What reading the file gives; `Unsupported`, in words, for a compression other than gzip.
pub fn storage_of(file: &File) -> io::Result<Storage> {
    let mut magic = [0; MAGIC_BYTES as usize];
    let filled = read_at(file, 0, &mut magic)?;
    let magic = &magic[..filled];
    if let Some((name, _)) = OTHER_COMPRESSION.iter().find(|(_, bytes)| magic.starts_with(bytes)) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("compressed with {name}, and only gzip can be read")));
    }
    Ok(if magic.starts_with(&[0x1f, 0x8b]) { Storage::Gzip } else { Storage::Plain })
}

/// Reads how the content begins: the first byte that is not NUL, and the up to 1024 bytes from there.
///
/// # Errors
/// What reading gives.
pub fn read_head(content: &mut Content) -> io::Result<Head> {
    let mut base = match content {
        Content::Plain(file) => first_data(file),
        Content::Inflating(_) => 0,
    };
    loop {
        let bytes = content.read(base, READ_BYTES)?;
        match bytes.iter().position(|&byte| byte != 0) {
            Some(0) => return Ok(Head::new(base, Bytes::from(bytes))),
            Some(nuls) => {
                base += nuls as u64;
                return Ok(Head::new(base, Bytes::from(content.read(base, HEAD_BYTES_MAX)?)));
            }
            None if bytes.len() < READ_BYTES || base > HOLE_BYTES_MAX => return Ok(Head::new(base, Bytes::new())),
            None => base += bytes.len() as u64,
        }
    }
}

/// The offset behind the hole that a file may start with; 0 where the file system does not tell.
fn first_data(file: &File) -> u64 {
    // The file's own offset moves; nobody uses it, all reads here carry theirs.
    rustix::fs::seek(file, SeekFrom::Data(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn file_with(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[test]
    fn compressed_content_reads_at_any_offset_forward_and_back_over_several_members() {
        let content: Vec<u8> = (0..100_000u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let (one, two) = content.split_at(300_001);
        let file = file_with(&[gzip(one), gzip(two)].concat());
        assert_eq!(storage_of(&file).unwrap(), Storage::Gzip);
        let mut inflating = Content::Inflating(Box::new(Inflater::new(file)));
        for (offset, length) in
            [(0, 10), (299_990, 100), (700_000, 200_000), (5, 5), (content.len() - 3, 100), (content.len() + 9, 1)]
        {
            let expected = content.get(offset..(offset + length).min(content.len())).unwrap_or_default();
            assert_eq!(inflating.read(offset as u64, length).unwrap(), expected, "at {offset}");
        }
    }

    #[test]
    fn content_starts_behind_the_hole_that_a_truncation_left() {
        let file = file_with(b"");
        file.write_all_at(b"first\n", 300_000).unwrap();
        let head = read_head(&mut Content::Plain(file)).unwrap();
        assert_eq!((head.base, &head.bytes()[..]), (300_000, &b"first\n"[..]));
    }

    #[test]
    fn a_file_of_nothing_but_nul_bytes_has_no_content_yet() {
        let head = read_head(&mut Content::Plain(file_with(&[0; 5000]))).unwrap();
        assert!(head.bytes().is_empty());
    }
}
