//! Files whose content comes from outside.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::{MemfdFlags, memfd_create};
use sidetail::position::Position;
use sidetail::source::catalog::Log;
use sidetail::source::content::{Content, read_head, storage_of};
use sidetail::source::generation::{Generation, Phase};
use sidetail::source::identity::FileIdentity;
use sidetail::source::read::place_at;
use sidetail::source::resolve::resolve;
use sidetail::source::unpack::Budget;

/// How much is unpacked of one input.
const UNPACKED_BYTES_MAX: usize = 1 << 20;

/// A file in memory, and where it is.
pub fn file_with(bytes: &[u8]) -> (File, PathBuf) {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC).expect("a file in memory"));
    file.write_all(bytes).expect("writing to memory");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file, path)
}

/// Content is the same at every place, whatever was read before; and what another reader unpacks. The first byte says
/// whether the rest is a file as it stands, or is to be compressed, into so many members. Ids of its records lead back to
/// where they were made, and none that was not made there leads anywhere.
pub fn gzip(data: &[u8]) {
    let Some((&way, body)) = data.split_first() else { return };
    if way >= 128 {
        let members = usize::from(way - 127);
        let mut packed = Vec::new();
        for member in body.chunks(body.len().div_ceil(members).max(1)) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(u32::from(way) % 10));
            encoder.write_all(member).expect("compressing in memory");
            packed.extend(encoder.finish().expect("compressing in memory"));
        }
        compare(&packed, body, true);
        resolves(&packed, body.len(), true);
    } else {
        let mut unpacked = Vec::new();
        // As far as it goes.
        let _ = MultiGzDecoder::new(body).take(UNPACKED_BYTES_MAX as u64).read_to_end(&mut unpacked);
        compare(body, &unpacked, false);
        resolves(body, unpacked.len(), false);
    }
}

/// Reads `packed` to and fro; what comes is what `expected` has there, as far as that goes. All of it, if it is `whole`.
fn compare(packed: &[u8], expected: &[u8], whole: bool) {
    let (file, _) = file_with(packed);
    let Ok(storage) = storage_of(&file) else {
        assert!(!whole, "gzip that is taken for another compression");
        return;
    };
    let mut content = Content::of(Arc::new(file), storage);
    content.limit(&Budget::new(Duration::from_secs(5), 8 * UNPACKED_BYTES_MAX as u64));
    let _ = read_head(&mut content);
    if !storage.is_compressed() {
        assert!(!whole || packed.is_empty(), "gzip that is not known as such");
        return;
    }
    let end = expected.len();
    for (offset, length) in [(0, 16), (end / 2, 64), (end / 3, end), (end.saturating_sub(5), 5), (0, end), (end / 2, 64)] {
        let length = length.min(end - offset);
        match content.read(offset as u64, length) {
            Ok(bytes) => {
                assert!(!whole || bytes.len() == length, "{} bytes of {length} at {offset}", bytes.len());
                assert_eq!(bytes, expected[offset..offset + bytes.len()], "at {offset}");
            }
            Err(error) => assert!(!whole, "{error} at {offset}"),
        }
    }
    if whole {
        assert_eq!(content.read(end as u64, 10).expect("the end"), b"");
    }
}

/// A file in a folder, removed when dropped: it is opened by its name.
struct Lying(PathBuf);

impl Lying {
    fn with(bytes: &[u8]) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("sidetail-fuzz-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).expect("writing a temporary file");
        Lying(path)
    }

    /// The only generation of a log; none where the beginning can't be read.
    fn log(&self) -> Option<Log> {
        let file = File::open(&self.0).expect("a temporary file");
        let metadata = file.metadata().expect("a temporary file");
        let (identity, storage) = (FileIdentity::of(&metadata), storage_of(&file).ok()?);
        let head = read_head(&mut Content::of(Arc::new(file), storage)).ok()?;
        let packed_end = if head.bytes().is_empty() { head.base } else { Generation::UNKNOWN_END };
        let generation = Generation {
            serial: 1,
            identity,
            hint: identity.hint(),
            former: Vec::new(),
            path: self.0.as_path().into(),
            held: None,
            storage,
            end: if storage.is_compressed() { packed_end } else { metadata.len() },
            head,
            tip: None,
            phase: Phase::Settled,
            late: Vec::new(),
            modified: metadata.modified().expect("a time"),
            back: None,
        };
        Some(Log::still("app", vec![generation]))
    }
}

impl Drop for Lying {
    fn drop(&mut self) {
        // It is in a folder for what nobody misses.
        let _ = fs::remove_file(&self.0);
    }
}

/// Looks for ids of records in `packed`, which has `length` bytes of content; all can be found, if it is `whole`.
fn resolves(packed: &[u8], length: usize, whole: bool) {
    let file = Lying::with(packed);
    // UTF-16 is refused.
    let Some(log) = file.log() else { return };
    let end = length as u64;
    for offset in [0, end / 2, end] {
        let Ok(place) = place_at(&log, 1, offset) else {
            assert!(!whole, "no record at {offset}");
            continue;
        };
        let resolved = resolve(&log, &[place.position]);
        if place.position.is_before_all() {
            assert!(resolved.places.iter().all(|found| found.position.is_before_all()), "{resolved:?}");
            continue;
        }
        assert!(place.position.offset <= offset);
        assert!(!whole || (resolved.missing.is_none() && resolved.places == [place]), "{place:?}: {resolved:?}");
        for forged in [place.position.offset - 1, u64::MAX >> 1] {
            let resolved = resolve(&log, &[Position { offset: forged, ..place.position }]);
            assert!(resolved.missing.is_some(), "{forged} instead of {place:?}: {resolved:?}");
        }
    }
}
