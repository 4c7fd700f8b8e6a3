//! Files whose content comes from outside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::{MemfdFlags, memfd_create};
use sidetail::source::content::{Content, read_head, storage_of};
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
/// whether the rest is a file as it stands, or is to be compressed, into so many members.
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
    } else {
        let mut unpacked = Vec::new();
        // As far as it goes.
        let _ = MultiGzDecoder::new(body).take(UNPACKED_BYTES_MAX as u64).read_to_end(&mut unpacked);
        compare(body, &unpacked, false);
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
