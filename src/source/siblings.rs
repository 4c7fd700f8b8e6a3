//! The rotated files of a log: which there are, in what order, and which of them hold the same content. Reads
//! directories and the beginnings of files; changes nothing that is known.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::append::sentence;
use super::catalog::LogState;
use super::content::{Content, MAGIC_BYTES, Storage, read_head, storage_of};
use super::folder::Folders;
use super::followed::SETTLE;
use super::generation::{Generation, Phase, open_identical, open_regular};
use super::identity::{FileIdentity, Head};
use super::read::{Trouble, tip_in_file, tip_in_memory};
use super::rotation::{Suffix, by_age, is_compressed_name};
use super::strength::is_strong;
use super::unpack::Budget;
use bytes::Bytes;

/// The most rotated files of one log that are looked at; older ones are left out, and readers who would come to them are told.
pub const SIBLINGS_MAX: usize = 1000;
/// How many of the newest of them are kept open until it is known what they are.
const OPEN_MAX: usize = 16;
/// How long a compressed file is unpacked at most to see whether it holds what another does: the other logs wait.
pub const LIKENESS_TIME_MAX: Duration = Duration::from_millis(500);
/// How many bytes of content are unpacked at most for that.
pub const LIKENESS_BYTES_MAX: u64 = 1 << 30;
/// How often a directory is listed again because it changed while it was listed.
const LISTINGS_MAX: usize = 20;

/// Where a log's files lie.
#[derive(Clone, Debug)]
pub struct Home {
    /// Where its path leads when symbolic links are followed; rotated files lie beside that.
    pub live: PathBuf,
    /// Another folder in which they lie.
    pub rotated: Option<PathBuf>,
    /// The folder out of which links may not lead, from `live` or beside it; none where they may lead anywhere.
    pub bounds: Option<PathBuf>,
}

impl Home {
    /// The folders in which rotated files may lie.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.live.parent().into_iter().chain(self.rotated.as_deref())
    }

    /// What is at `path`, beside the live file or in the other folder, if it is a regular file and links may lead there.
    fn file_at(&self, path: &Path) -> Option<Metadata> {
        let Some(bounds) = &self.bounds else { return std::fs::metadata(path).ok().filter(Metadata::is_file) };
        let bounds = self.rotated.as_ref().filter(|rotated| path.starts_with(rotated)).unwrap_or(bounds);
        open_regular(path, Some(bounds)).and_then(|(file, _)| file.metadata()).ok()
    }
}

/// A rotated file.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Where it is.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: FileIdentity,
    /// When it was last written.
    pub modified: SystemTime,
    suffix: Suffix,
}

/// The rotated files of a log, as they were found.
struct Listing {
    /// The newest of them, as many as are looked at, the oldest first.
    siblings: Vec<Sibling>,
    /// Those before them, the oldest first.
    older: Vec<Sibling>,
    /// Whether none is missing.
    is_sure: bool,
}

/// Lists the rotated files of a log. A rename during the listing would hide a file, so it lists again until nothing changed
/// meanwhile.
fn siblings(home: &Home, folders: &mut Folders) -> Listing {
    let (mut before, mut is_sure) = (list(home, folders), false);
    for _ in 0..LISTINGS_MAX {
        let now = list(home, folders);
        let same = |(one, other): (&Sibling, &Sibling)| one.path == other.path && one.identity == other.identity;
        is_sure = before.len() == now.len() && before.iter().zip(&now).all(same);
        if is_sure {
            break;
        }
        before = now;
    }
    let siblings = before.split_off(before.len().saturating_sub(SIBLINGS_MAX));
    Listing { siblings, older: before, is_sure }
}

fn list(home: &Home, folders: &mut Folders) -> Vec<Sibling> {
    let Some(name) = home.live.file_name() else { return Vec::new() };
    let rotated: Vec<_> = home.folders().flat_map(|folder| folders.rotated(folder, name)).collect();
    let sibling = |(path, suffix): (PathBuf, Suffix)| {
        let metadata = home.file_at(&path)?;
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Sibling { path, identity: FileIdentity::of(&metadata), suffix, modified })
    };
    let mut found: Vec<_> = rotated.into_iter().filter_map(sibling).collect();
    // A file that is renamed meanwhile may have been met under both names.
    let mut met = HashSet::new();
    found.retain(|sibling: &Sibling| met.insert(sibling.identity));
    // Names tell the order where all are of one kind; else the time of the last write does, which renaming keeps.
    let names_tell = found.windows(2).all(|pair| by_age(&pair[0].suffix, &pair[1].suffix).is_some());
    found.sort_by(|one, other| {
        let by_name = if names_tell { by_age(&one.suffix, &other.suffix) } else { None };
        by_name.unwrap_or(Ordering::Equal).then(one.modified.cmp(&other.modified)).then(one.path.cmp(&other.path))
    });
    found
}

/// A rotated file that is there and can't be read: readers that come to it are told.
fn unreadable(sibling: &Sibling) -> Option<Generation> {
    let storage = open_identical(&sibling.path, sibling.identity).and_then(|file| storage_of(&file)).unwrap_or(Storage::Plain);
    let size = std::fs::metadata(&sibling.path).ok()?.len();
    Some(Generation { end: if storage == Storage::Plain { size } else { Generation::UNKNOWN_END }, ..bare(sibling, storage) })
}

/// The generation in a rotated file of which nothing has been read.
fn bare(sibling: &Sibling, storage: Storage) -> Generation {
    Generation {
        serial: 0,
        identity: sibling.identity,
        hint: sibling.identity.hint(),
        former: Vec::new(),
        back: None,
        path: sibling.path.as_path().into(),
        held: None,
        storage,
        head: Head::default(),
        end: 0,
        tip: None,
        phase: Phase::Settled,
        late: Vec::new(),
        modified: sibling.modified,
    }
}

/// The generation that a rotated file holds, and the file while it is open.
///
/// # Errors
/// What opening and reading it give.
fn open_sibling(sibling: &Sibling) -> Result<(Generation, File), Trouble> {
    let file = open_identical(&sibling.path, sibling.identity)?;
    let storage = storage_of(&file)?;
    let size = file.metadata()?.len();
    if storage == Storage::Plain && size < MAGIC_BYTES && is_compressed_name(&sibling.path) {
        return Err(Trouble::Unfinished("its compression has only begun".into()));
    }
    let generation =
        Generation { end: if storage == Storage::Plain { size } else { Generation::UNKNOWN_END }, ..bare(sibling, storage) };
    let mut content = Content::of(Arc::new(file.try_clone()?), storage);
    let head = read_head(&mut content)?;
    // Packed or not, what has no first byte has none.
    let end = if head.bytes().is_empty() { head.base } else { generation.end.max(head.base) };
    let first = head.tip_start(end);
    // Kept, so that a copy is known as one when this file is gone.
    let tip = (storage == Storage::Plain).then(|| content.read(first, (end - first) as usize)).transpose()?;
    let tip = tip.filter(|tip| tip.len() as u64 == end - first).map(Bytes::from);
    Ok((Generation { end, head, tip, ..generation }, file))
}

/// The generation of a rotated file, of serial 0, and the file where it can be read and is one of the newest.
pub type OpenedSibling = (Generation, Option<File>);

/// What was opened of a log's rotated files.
#[derive(Default)]
pub struct Found {
    /// All of them, the oldest first; those that were not known already with their generation.
    pub siblings: Vec<(Sibling, Option<OpenedSibling>)>,
    /// Those before them, the oldest first: they are too many.
    pub older: Vec<Sibling>,
    /// What is wrong with one of them, in words.
    pub error: Option<String>,
    /// Whether one of them can't be read now, but perhaps later.
    pub again: bool,
    /// Whether none is missing.
    pub is_sure: bool,
}

/// Lists the rotated files of a log, and opens those that are not `known`. Starts again when one that was listed is gone:
/// its content may be in a new, compressed file by now.
pub fn open_siblings(home: &Home, folders: &mut Folders, known: impl Fn(&FileIdentity) -> bool) -> Found {
    let mut found = Found::default();
    for _ in 0..LISTINGS_MAX {
        found = Found::default();
        let mut gone = false;
        let Listing { siblings, older, is_sure } = siblings(home, folders);
        found.is_sure = is_sure;
        found.older = older;
        let old = siblings.len().saturating_sub(OPEN_MAX);
        for (place, sibling) in siblings.into_iter().enumerate() {
            let opened = if known(&sibling.identity) {
                Ok(None)
            } else {
                open_sibling(&sibling).map(|(generation, file)| Some((generation, Some(file).filter(|_| place >= old))))
            };
            match opened {
                Ok(opened) => found.siblings.push((sibling, opened)),
                Err(Trouble::Gone) => gone = true,
                Err(trouble) => {
                    // A compressor may still be at work on it; then the plain file is there too.
                    let young = SystemTime::now().duration_since(sibling.modified).is_ok_and(|age| age < SETTLE);
                    let passing = young && matches!(trouble, Trouble::Unfinished(_));
                    found.again = true;
                    if !passing {
                        found.error = Some(format!("{}: {}", sibling.path.display(), sentence(&trouble)));
                    }
                    let opened = if passing { None } else { unreadable(&sibling) };
                    found.siblings.push((sibling, opened.map(|generation| (generation, None))));
                }
            }
        }
        if !gone {
            break;
        }
        found.is_sure = false;
    }
    found
}

/// How the content of one file relates to that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Another content.
    Other,
    /// The same beginning, and it ends too early to say more: a copy or compression that is still being made.
    Beginning,
    /// The same bytes at the beginning and before the end of the shorter one.
    Copy,
}

/// How `copy` relates to `original`, a generation of the log that `state` is of.
pub fn likeness(copy: &Generation, original: &Generation, state: &LogState) -> Likeness {
    let (one, other) = (copy.head.bytes(), original.head.bytes());
    let common = one.len().min(other.len());
    if common == 0 || one[..common] != other[..common] {
        return Likeness::Other;
    }
    let end = copy.end.min(original.end);
    if end == Generation::UNKNOWN_END {
        return if one.len() == other.len() && is_strong(&[one]) { Likeness::Copy } else { Likeness::Other };
    }
    let budget = Budget::new(LIKENESS_TIME_MAX, LIKENESS_BYTES_MAX);
    let tip =
        |generation: &Generation| tip_in_memory(state, generation, end).map_or_else(|| tip_in_file(generation, end, &budget), Ok);
    match (tip(copy), tip(original)) {
        // The beginning has to do.
        (Err(Trouble::OverBudget), _) | (_, Err(Trouble::OverBudget)) if is_strong(&[one]) => Likeness::Copy,
        (Ok(one), Ok(other)) if one == other => {
            let strong = is_strong(&[copy.head.bytes_at(end), &one]);
            if strong || made_from(copy, original) { Likeness::Copy } else { Likeness::Other }
        }
        (Err(_), _) if copy.storage.is_compressed() => Likeness::Beginning,
        _ => Likeness::Other,
    }
}

/// Whether a file of the same content was made from the other one: content without times may be written twice. A
/// compressor works beside its source, and gives its result the source's time before it removes it; a truncated file was
/// copied before.
fn made_from(copy: &Generation, original: &Generation) -> bool {
    let compressed = copy.storage.is_compressed() && !original.storage.is_compressed();
    let beside = is_compressed_name(&copy.path) && copy.path.with_extension("") == *original.path;
    let written = original.held.as_ref().and_then(|file| file.metadata().ok()?.modified().ok()).unwrap_or(original.modified);
    compressed && (beside || copy.modified == written) || original.storage == Storage::Lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[(&str, u64)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, modified) in files {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(*modified)).unwrap();
        }
        let name = |sibling: &Sibling| sibling.path.file_name().unwrap().to_str().unwrap().to_string();
        let home = Home { live: folder.path().join("app.log"), rotated: None, bounds: None };
        siblings(&home, &mut Folders::default()).siblings.iter().map(name).collect()
    }

    #[test]
    fn siblings_come_oldest_first_by_number_by_date_or_by_time_of_writing() {
        let by_number = [("app.log", 9), ("app.log.1", 1), ("app.log.10.gz", 2), ("app.log.2", 3), ("app.log2", 1)];
        assert_eq!(names(&by_number), ["app.log.10.gz", "app.log.2", "app.log.1"]);
        assert_eq!(names(&[("app.log-20261123", 1), ("app.log-20261122.gz", 2)]), ["app.log-20261122.gz", "app.log-20261123"]);
        assert_eq!(
            names(&[("app.1.log", 5), ("app.2.log.gz", 3), ("app2.log", 1), ("web.1.log", 1)]),
            ["app.2.log.gz", "app.1.log"]
        );
        assert_eq!(names(&[("app.log.1", 5), ("app.log-20261122", 3)]), ["app.log-20261122", "app.log.1"]);
    }
}
