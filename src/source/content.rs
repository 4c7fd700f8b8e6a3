//! A file's content at offsets, whether it is stored plain or compressed, told by its first bytes. Never decides which
//! file is meant.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::fs::SeekFrom;

use super::identity::Head;
use super::interest::wanted;
use super::unpack::{Budget, Unpacker};
use super::{gzip, zstd};
use crate::position::HEAD_BYTES_MAX;

/// How much is read from a file at once, in bytes.
pub const READ_BYTES: usize = 128 * 1024;
/// The most NUL bytes that are looked through for the first byte of content.
pub const HOLE_BYTES_MAX: u64 = 1 << 30;
/// The same in a compressed file, where a few bytes make many.
pub const PACKED_HOLE_BYTES_MAX: u64 = 64 << 20;

/// How a file stores its content; told by magic bytes, never by the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As it is.
    Plain,
    /// In one or more gzip members (RFC 1952).
    Gzip,
    /// In one or more Zstandard frames (RFC 8878).
    Zstd,
    /// In no file any more: it was truncated or deleted, and only the hot tail may have some of it.
    Lost,
}

impl Storage {
    /// Whether the content must be unpacked.
    pub fn is_compressed(self) -> bool {
        matches!(self, Storage::Gzip | Storage::Zstd)
    }
}

/// The content of a generation, open for reading at any offset.
pub enum Content {
    /// Stored as it is.
    Plain(Arc<File>),
    /// Compressed: reading forward is cheap, reading backward starts again at the last seek point.
    Packed(Box<Unpacker>),
}

impl Content {
    /// The content of `file`, which stores it in this way.
    pub fn of(file: Arc<File>, storage: Storage) -> Self {
        match storage {
            Storage::Gzip | Storage::Zstd => Content::Packed(Box::new(Unpacker::new(file, storage))),
            Storage::Plain | Storage::Lost => Content::Plain(file),
        }
    }

    /// From now on unpacking fails with `QuotaExceeded` when `budget` is spent.
    pub fn limit(&mut self, budget: &Arc<Budget>) {
        if let Content::Packed(unpacker) = self {
            unpacker.limit(budget.clone());
        }
    }

    /// Reads up to `length` bytes at `offset`; fewer only at the end of the content.
    ///
    /// # Errors
    /// What reading the file gives; `InvalidData` or `UnexpectedEof` for damaged compressed data; `QuotaExceeded`.
    pub fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        match self {
            Content::Plain(_) => {
                let mut buffer = BytesMut::new();
                self.read_into(&mut buffer, offset, length, true)?;
                Ok(buffer.into())
            }
            Content::Packed(unpacker) => Ok(unpacker.read(offset, length)?.to_vec()),
        }
    }

    /// The same in place of what `buffer` holds, so that its memory is used again. Where `waits` is false, only what needs no
    /// waiting for a disk and no unpacking.
    ///
    /// # Errors
    /// As for [`Content::read`]; `WouldBlock` where it would have to wait.
    pub fn read_into(&mut self, buffer: &mut BytesMut, offset: u64, length: usize, waits: bool) -> io::Result<()> {
        match self {
            Content::Plain(file) => {
                wanted()?;
                buffer.resize(length, 0);
                let filled = if waits { read_at(file, offset, buffer)? } else { read_cached_at(file, offset, buffer)? };
                buffer.truncate(filled);
            }
            Content::Packed(_) if !waits => return Err(io::ErrorKind::WouldBlock.into()),
            Content::Packed(unpacker) => {
                buffer.clear();
                buffer.extend_from_slice(unpacker.read(offset, length)?);
            }
        }
        Ok(())
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

/// The same from the page cache alone, as far as that has them in one piece.
///
/// # Errors
/// What reading the file gives; `WouldBlock` where the cache has none of them, or the file system does not tell.
fn read_cached_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    match preadv2(file, &mut [io::IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(io::ErrorKind::WouldBlock.into()),
        read => Ok(read?),
    }
}

/// A file with fewer bytes does not tell yet how it stores its content.
pub const MAGIC_BYTES: u64 = 6;
/// Magic bytes of compressed files that can't be read.
const OTHER_COMPRESSION: [(&str, &[u8]); 2] = [("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh")];

/// How `file` stores its content, by its first bytes.
///
/// # Errors
/// What reading the file gives; `Unsupported`, in words, for a compression other than gzip and Zstandard.
pub fn storage_of(file: &File) -> io::Result<Storage> {
    let mut magic = [0; MAGIC_BYTES as usize];
    let filled = read_at(file, 0, &mut magic)?;
    let magic = &magic[..filled];
    if let Some((name, _)) = OTHER_COMPRESSION.iter().find(|(_, bytes)| magic.starts_with(bytes)) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("compressed with {name}, and only gzip and zstd can be read"),
        ));
    }
    Ok(match magic {
        magic if magic.starts_with(gzip::MAGIC) => Storage::Gzip,
        magic if magic.starts_with(zstd::MAGIC) => Storage::Zstd,
        _ => Storage::Plain,
    })
}

/// The byte order marks of UTF-16, little and big end first (RFC 2781 section 3.2).
const UTF_16_MARKS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

/// Reads how the content begins: the first byte that is not NUL, and the up to 1024 bytes from there.
///
/// # Errors
/// What reading gives; `Unsupported`, in words, for text in UTF-16 and for a compressed file that seems to be nothing but NUL.
pub fn read_head(content: &mut Content) -> io::Result<Head> {
    let mut base = match content {
        Content::Plain(file) => first_data(file),
        Content::Packed(_) => 0,
    };
    let packed = matches!(content, Content::Packed(_));
    loop {
        let bytes = content.read(base, READ_BYTES)?;
        match bytes.iter().position(|&byte| byte != 0) {
            Some(0) if base == 0 && UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) => {
                let why = "this is text in UTF-16, which is not read; let the program write UTF-8";
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
            Some(0) => return Ok(Head::new(base, Bytes::from(bytes))),
            Some(nuls) => {
                base += nuls as u64;
                return Ok(Head::new(base, Bytes::from(content.read(base, HEAD_BYTES_MAX)?)));
            }
            None if packed && base > PACKED_HOLE_BYTES_MAX => {
                let why = format!("it begins with more than {PACKED_HOLE_BYTES_MAX} bytes of NUL");
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
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
    use proptest::prelude::*;
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

    fn zstd(content: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn numbered(lines: u32) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("line {n}\n").into_bytes()).collect()
    }

    #[test]
    fn compressed_content_reads_at_any_offset_forward_and_back_over_several_parts() {
        let content = numbered(100_000);
        let (one, two) = content.split_at(300_001);
        for (compress, storage) in [(gzip as fn(&[u8]) -> Vec<u8>, Storage::Gzip), (zstd, Storage::Zstd)] {
            let file = file_with(&[compress(one), compress(two)].concat());
            assert_eq!(storage_of(&file).unwrap(), storage);
            let mut packed = Content::of(file, storage);
            for (offset, length) in
                [(0, 10), (299_990, 100), (700_000, 200_000), (5, 5), (content.len() - 3, 100), (content.len() + 9, 1)]
            {
                let expected = content.get(offset..(offset + length).min(content.len())).unwrap_or_default();
                assert_eq!(packed.read(offset as u64, length).unwrap(), expected, "{storage:?} at {offset}");
            }
        }
    }

    #[test]
    fn a_seek_point_gives_the_same_content_as_unpacking_from_the_beginning() {
        let content = numbered(4_000_000);
        let file = file_with(&gzip(&content));
        let mut all = Content::of(file.clone(), Storage::Gzip);
        assert_eq!(all.read(content.len() as u64 - 9, 100).unwrap(), content[content.len() - 9..]);
        for offset in (0..content.len()).rev().step_by(7_654_321) {
            let expected = &content[offset..(offset + 5000).min(content.len())];
            assert_eq!(Content::of(file.clone(), Storage::Gzip).read(offset as u64, 5000).unwrap(), expected, "at {offset}");
        }
    }

    #[test]
    fn damage_anywhere_in_a_compressed_file_is_found() {
        let content = numbered(1000);
        for (packed, storage) in [(gzip(&content), Storage::Gzip), (zstd(&content), Storage::Zstd)] {
            let read = |bytes: &[u8]| Content::of(file_with(bytes), storage).read(0, 2 * content.len());
            assert_eq!(read(&packed).unwrap(), content);
            let mut flipped = packed.clone();
            flipped[packed.len() / 2] ^= 0x55;
            assert!(read(&flipped).is_err(), "{storage:?} with other bits");
            assert!(read(&packed[..packed.len() - 1]).is_err(), "{storage:?} cut short");
            assert!(read(&packed[..packed.len() / 2]).is_err(), "{storage:?} cut in two");
        }
    }

    #[test]
    fn what_is_read_after_a_failure_is_what_stands_there() {
        let content = numbered(30_000);
        for (compress, storage) in [(gzip as fn(&[u8]) -> Vec<u8>, Storage::Gzip), (zstd, Storage::Zstd)] {
            let mut packed = Content::of(file_with(&compress(&content)), storage);
            packed.limit(&Budget::new(std::time::Duration::from_secs(5), 100_000));
            assert_eq!(packed.read(200_000, 100).unwrap_err().kind(), io::ErrorKind::QuotaExceeded, "{storage:?}");
            packed.limit(&Budget::new(std::time::Duration::from_secs(5), 1 << 20));
            assert_eq!(packed.read(200_000, 100).unwrap(), content[200_000..200_100], "{storage:?}");
            // Something between two members that is none.
            let damaged = [compress(b"one\n"), b"not a member".to_vec(), compress(b"two\n")].concat();
            let mut damaged = Content::of(file_with(&damaged), storage);
            for _ in 0..5 {
                assert!(damaged.read(4, 100).is_err(), "{storage:?}");
                assert_eq!(damaged.read(0, 4).unwrap(), b"one\n"[..], "{storage:?}");
            }
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

    /// Reads all of it in pieces of these lengths.
    fn in_pieces(file: &Arc<File>, storage: Storage, lengths: &[usize]) -> io::Result<Vec<u8>> {
        let (mut content, mut all) = (Content::of(file.clone(), storage), Vec::new());
        for length in lengths.iter().cycle() {
            let piece = content.read(all.len() as u64, *length)?;
            all.extend_from_slice(&piece);
            if piece.len() < *length {
                return Ok(all);
            }
        }
        Ok(all)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

        #[test]
        fn any_content_in_any_members_is_read_whole_in_any_pieces(
            members in proptest::collection::vec((any::<u8>(), 0usize..3000, any::<bool>()), 1..5),
            lengths in proptest::collection::vec(1usize..2000, 1..5), padding in 0usize..9,
        ) {
            // Bytes that compress well, and bytes that do not.
            let content = |(seed, length, random): &(u8, usize, bool)| -> Vec<u8> {
                let byte = |at: usize| if *random { (at as u32 ^ u32::from(*seed)).wrapping_mul(2_654_435_761).to_le_bytes()[2] } else { *seed };
                (0..*length).map(byte).collect()
            };
            let contents: Vec<_> = members.iter().map(content).collect();
            let mut packed = contents.iter().flat_map(|content| gzip(content)).collect::<Vec<_>>();
            packed.extend(std::iter::repeat_n(0, padding));
            prop_assert_eq!(in_pieces(&file_with(&packed), Storage::Gzip, &lengths).unwrap(), contents.concat());
            let packed: Vec<_> = contents.iter().flat_map(|content| zstd(content)).collect();
            prop_assert_eq!(in_pieces(&file_with(&packed), Storage::Zstd, &lengths).unwrap(), contents.concat());
        }

        #[test]
        fn any_bytes_that_say_they_are_compressed_are_content_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), flags in 0u8..32,
        ) {
            let magics: [(&[u8], Storage); 2] = [(&[0x1f, 0x8b, 8, flags], Storage::Gzip), (zstd::MAGIC, Storage::Zstd)];
            for (magic, storage) in magics {
                let file = file_with(&[magic, &bytes].concat());
                let mut content = Content::of(file, storage);
                let budget = Budget::new(std::time::Duration::from_secs(5), 1 << 20);
                content.limit(&budget);
                let _ = content.read(0, 1 << 16);
            }
        }

        #[test]
        fn a_file_that_was_damaged_never_gives_other_content_to_its_end(
            length in 1u32..400, at: prop::sample::Index, flip in 1u8..=255,
        ) {
            let content = numbered(length);
            for (packed, storage) in [(gzip(&content), Storage::Gzip), (zstd(&content), Storage::Zstd)] {
                let mut damaged = packed;
                let at = at.index(damaged.len());
                damaged[at] ^= flip;
                // What is only said about the content, as a date, may be anything.
                if let Ok(read) = in_pieces(&file_with(&damaged), storage, &[777]) {
                    prop_assert!(read == content || read.is_empty(), "{storage:?}: byte {at} of {}", damaged.len());
                }
            }
        }
    }
}
