//! One life of one file, and opening the file that has it. The only place that opens a log's files. Never decides which
//! generation is meant.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::content::{Content, Storage};
use super::identity::{FileIdentity, Head};
use super::links::{open_inside, open_trusted};
use crate::position::Hint;

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
    /// Where it begins, and the content before that, for a file that lost the log's name and has it again: what stands
    /// before is of the generation that it was then.
    pub back: Option<(u64, Bytes)>,
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
        let Some(held) = self.held.take() else { return };
        self.modified = held.metadata().and_then(|metadata| metadata.modified()).unwrap_or(self.modified);
        if self.hint != self.identity.hint() {
            self.former.push(self.hint);
            self.hint = self.identity.hint();
        }
    }

    /// Takes another file for the one that has it: ids name that from now on.
    pub fn become_file(&mut self, identity: FileIdentity) {
        if identity != self.identity {
            self.former.push(self.hint);
            (self.identity, self.hint) = (identity, identity.hint());
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
        self.end == self.first()
    }

    /// The offset at which it begins.
    pub fn first(&self) -> u64 {
        self.back.as_ref().map_or(self.head.base, |(from, _)| *from)
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

/// Opens a regular file for reading and never waits for one, whatever stands at `path`; with `bounds` only inside that folder.
///
/// # Errors
/// What opening gives; `InvalidInput`, in words, for what is no regular file; `PermissionDenied` where links lead out.
pub fn open_regular(path: &Path, bounds: Option<&Path>) -> io::Result<(File, FileIdentity)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match bounds {
        Some(folder) => open_inside(folder, path, flags)?,
        None => open_trusted(path, flags)?,
    };
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

/// Opens the file that has `identity`: at `path`, or where a rotation has meanwhile moved it in the same folder. Wherever links
/// lead: it was let in when its identity was learnt.
///
/// # Errors
/// `NotFound` where it is in neither place; what opening it or reading the folder gives.
pub fn open_identical(path: &Path, identity: FileIdentity) -> io::Result<File> {
    let matching = |path: PathBuf| open_regular(&path, None).ok().filter(|(_, found)| *found == identity).map(|(file, _)| file);
    match open_regular(path, None) {
        Ok((file, found)) if found == identity => return Ok(file),
        Err(error) if std::fs::metadata(path).is_ok_and(|there| FileIdentity::of(&there) == identity) => return Err(error),
        _ => {}
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let moved = std::fs::read_dir(folder)?.filter_map(Result::ok).find_map(|entry| {
        let same = entry.metadata().is_ok_and(|metadata| metadata.is_file() && FileIdentity::of(&metadata) == identity);
        if same { matching(entry.path()) } else { None }
    });
    moved.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{}: the file is gone", path.display())))
}
