//! The content of a compressed file at any offset. Unpacking goes forward only; where it went before it leaves seek
//! points, so that going back, or deep into a large archive, does not unpack all of it again.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use super::content::Storage;
use super::gzip::{self, Gzip};
use super::identity::FileIdentity;
use super::interest::wanted;
use super::zstd::Zstd;

/// The least distance between two seek points of a file, in bytes of content.
const SPACING_BYTES: u64 = 8 << 20;
/// The most seek points of one file; beyond that every other is dropped and the distance doubled.
const FILE_POINTS_MAX: usize = 32;
/// The most seek points of all files together, of about 43 KiB each; beyond that the file used longest ago loses its own.
const POINTS_MAX: usize = 96;
/// How far ahead content is worth looking for a seek point instead of unpacking up to there, in bytes.
const WORTH_SEEKING_BYTES: u64 = 1 << 20;

/// How much may be unpacked in order to answer one question, over all files together.
#[derive(Debug)]
pub struct Budget {
    until: Instant,
    bytes: AtomicU64,
}

impl Budget {
    /// At most `bytes` of content, and from now on no longer than `time`.
    pub fn new(time: Duration, bytes: u64) -> Arc<Self> {
        Arc::new(Budget { until: Instant::now() + time, bytes: bytes.into() })
    }

    /// Takes `bytes` of it.
    fn spend(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        let left = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if left.is_ok() && Instant::now() < self.until {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::QuotaExceeded, "unpacking it takes too long"))
    }
}

/// The content of a compressed file, and the part of it that was read last.
pub struct Unpacker {
    file: Arc<File>,
    storage: Storage,
    stream: Stream,
    window: Vec<u8>,
    window_start: u64,
    budget: Option<Arc<Budget>>,
    key: Option<Key>,
    /// Offset from which on a seek point is wanted.
    next_point: u64,
}

enum Stream {
    Gzip(Gzip),
    Zstd(Box<Zstd>),
}

impl Stream {
    fn new(file: Arc<File>, storage: Storage) -> Self {
        match storage {
            Storage::Zstd => Stream::Zstd(Box::new(Zstd::new(file))),
            _ => Stream::Gzip(Gzip::new(file)),
        }
    }
}

impl Unpacker {
    /// The content of `file`, which is compressed in this way.
    pub fn new(file: Arc<File>, storage: Storage) -> Self {
        let key = file.metadata().ok().map(|metadata| Key {
            identity: FileIdentity::of(&metadata),
            size: metadata.len(),
            modified: metadata.modified().ok(),
        });
        let stream = Stream::new(file.clone(), storage);
        Unpacker { file, storage, stream, window: Vec::new(), window_start: 0, budget: None, key, next_point: SPACING_BYTES }
    }

    /// From now on reading fails with `QuotaExceeded` when `budget` is spent.
    pub fn limit(&mut self, budget: Arc<Budget>) {
        self.budget = Some(budget);
    }

    /// Reads up to `length` bytes of content at `offset`; fewer only at its end.
    ///
    /// # Errors
    /// What reading the file gives; `InvalidData` or `UnexpectedEof` for damaged data; `QuotaExceeded`, also where nobody
    /// waits for it any more.
    pub fn read(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        if offset < self.window_start || offset > self.window_end() + WORTH_SEEKING_BYTES {
            self.seek(offset);
        }
        while self.window_end() < offset {
            self.window_start = self.window_end();
            self.window.clear();
            if self.unpack()? == 0 {
                return Ok(&[]);
            }
        }
        self.window.drain(..(offset - self.window_start) as usize);
        self.window_start = offset;
        while self.window.len() < length && self.unpack()? > 0 {}
        Ok(&self.window[..length.min(self.window.len())])
    }

    fn window_end(&self) -> u64 {
        self.window_start + self.window.len() as u64
    }

    /// Goes to the last seek point before `offset`, if that is nearer than where it stands.
    fn seek(&mut self, offset: u64) {
        let point = self.key.and_then(|key| SEEK_POINTS.before(&key, offset));
        let backward = offset < self.window_start;
        match point {
            Some(point) if backward || point.offset > self.window_end() => {
                self.stand_at(point.offset, Stream::Gzip(Gzip::resume(self.file.clone(), point.state)));
            }
            _ if backward => self.rewind(),
            _ => {}
        }
    }

    fn rewind(&mut self) {
        self.stand_at(0, Stream::new(self.file.clone(), self.storage));
    }

    fn stand_at(&mut self, offset: u64, stream: Stream) {
        (self.window_start, self.stream, self.next_point) = (offset, stream, offset + SPACING_BYTES);
        self.window.clear();
    }

    /// Appends more content to the window; how many bytes, 0 at its end. Where that fails, what was unpacked and where the
    /// stream stands is not known any more: the next one to read goes there anew.
    fn unpack(&mut self) -> io::Result<usize> {
        let appended = self.append();
        if appended.is_err() {
            self.rewind();
        }
        appended
    }

    fn append(&mut self) -> io::Result<usize> {
        wanted()?;
        let end = self.window_end();
        let content = match &mut self.stream {
            Stream::Gzip(gzip) => {
                if let Some(key) = self.key.filter(|_| end >= self.next_point) {
                    self.next_point = SEEK_POINTS.add(&key, end, || gzip.state());
                }
                gzip.more()?
            }
            Stream::Zstd(zstd) => zstd.more()?,
        };
        self.budget.as_ref().map_or(Ok(()), |budget| budget.spend(content.len()))?;
        self.window.extend_from_slice(content);
        Ok(content.len())
    }
}

/// A compressed file as it is: a file that was written since is another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    identity: FileIdentity,
    size: u64,
    modified: Option<SystemTime>,
}

#[derive(Clone)]
struct Point {
    offset: u64,
    state: gzip::State,
}

struct FilePoints {
    key: Key,
    spacing: u64,
    points: Vec<Point>,
}

/// The seek points of all compressed files that were read lately, the file used last at the end. A cache: without it
/// reading is slower and nothing else.
struct SeekPoints(Mutex<Vec<FilePoints>>);

static SEEK_POINTS: SeekPoints = SeekPoints(Mutex::new(Vec::new()));

impl SeekPoints {
    /// The last point of a file at or before `offset`.
    fn before(&self, key: &Key, offset: u64) -> Option<Point> {
        let mut files = self.lock();
        let used = files.iter().position(|file| file.key == *key)?;
        let file = files.remove(used);
        let point = file.points.iter().rfind(|point| point.offset <= offset).cloned();
        files.push(file);
        point
    }

    /// Adds a point at `offset` if none is near; from where on the next one is wanted.
    fn add(&self, key: &Key, offset: u64, state: impl FnOnce() -> gzip::State) -> u64 {
        let mut files = self.lock();
        let mut file = match files.iter().position(|file| file.key == *key) {
            Some(known) => files.remove(known),
            None => FilePoints { key: *key, spacing: SPACING_BYTES, points: Vec::new() },
        };
        let at = file.points.partition_point(|point| point.offset <= offset);
        let near = |point: &Point| point.offset.abs_diff(offset) < file.spacing;
        if !file.points[at.saturating_sub(1)..].iter().take(2).any(near) {
            file.points.insert(at, Point { offset, state: state() });
        }
        if file.points.len() > FILE_POINTS_MAX {
            file.spacing *= 2;
            let mut place = 0;
            file.points.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        let next = offset + file.spacing;
        files.push(file);
        while files.iter().map(|file| file.points.len()).sum::<usize>() > POINTS_MAX {
            files.remove(0);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Vec<FilePoints>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
