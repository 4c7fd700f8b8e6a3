//! Which rotated files lie in a folder, by the live name they belong to. A folder is listed again only when its names
//! have changed, however many logs ask. Never opens a file.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::container;
use super::pattern::is_temporary;
use super::rotation::{Suffix, base_of, infixed};

/// Folders within a log's own in which rotation tools are commonly told to put rotated files (logrotate's `olddir`).
const OLD_FOLDERS: [&str; 6] = ["old", "olddir", "archive", "archived", "rotated", ".old"];
/// The coarsest clock by which a local file system dates its files.
const CLOCK_TICK: Duration = Duration::from_millis(20);
/// The same where times have whole seconds only.
const COARSE_CLOCK_TICK: Duration = Duration::from_secs(2);

/// How far the clock of a file server may be ahead of ours. What is dated later is dated by a clock that was set back since.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// When names in a folder, and in those for rotated files within it, last changed; none while that was too short ago to
/// tell one change from the next.
pub type Stamp = Option<Vec<SystemTime>>;

/// Whether rotation tools are commonly told to put rotated files into folders of this name, within the log's own.
pub fn is_for_old(name: &OsStr) -> bool {
    OLD_FOLDERS.iter().any(|old| **old == *name)
}

/// Listings of folders.
#[derive(Default)]
pub struct Folders {
    listings: HashMap<PathBuf, Listing>,
    stamps: HashMap<PathBuf, Stamp>,
}

#[derive(Default)]
struct Listing {
    modified: Option<SystemTime>,
    used: bool,
    rotated: HashMap<OsString, Vec<(PathBuf, Suffix)>>,
    /// The files of all runs of the container whose folder it is.
    runs: Vec<(PathBuf, Suffix)>,
    old_folders: Vec<PathBuf>,
}

impl Folders {
    /// The files in `folder` and in those for rotated files within it that are rotated ones of the log whose live file is
    /// called `live`, by their names.
    pub fn rotated(&mut self, folder: &Path, live: &OsStr) -> Vec<(PathBuf, Suffix)> {
        let mut found = Vec::new();
        for folder in self.with_old_folders(folder) {
            let listing = self.listing(&folder);
            found.extend(listing.rotated.get(live).into_iter().flatten().cloned());
            if let Some(run) = container::run_of(live) {
                found.extend(listing.runs.iter().filter(|(_, suffix)| suffix.is_before_run(run)).cloned());
            }
        }
        found
    }

    /// `folder` and those for rotated files within it.
    pub fn with_old_folders(&mut self, folder: &Path) -> Vec<PathBuf> {
        let within = self.listing(folder).old_folders.clone();
        std::iter::once(folder.to_path_buf()).chain(within).collect()
    }

    /// What tells whether names may have changed, as of this round.
    pub fn stamp(&mut self, folder: &Path) -> Stamp {
        if let Some(stamp) = self.stamps.get(folder) {
            return stamp.clone();
        }
        let stamp: Stamp = self.with_old_folders(folder).iter().map(|folder| quiet_since(folder)).collect();
        self.stamps.insert(folder.to_path_buf(), stamp.clone());
        stamp
    }

    /// A new round of looks begins: stamps are asked for anew.
    pub fn begin_round(&mut self) {
        self.stamps.clear();
    }

    /// Forgets the folders that nobody asked for since this was called last.
    pub fn forget_unused(&mut self) {
        self.listings.retain(|_, listing| std::mem::take(&mut listing.used));
    }

    fn listing(&mut self, folder: &Path) -> &Listing {
        let modified = quiet_since(folder);
        let listing = self.listings.entry(folder.to_path_buf()).or_default();
        listing.used = true;
        if modified.is_none() || listing.modified != modified {
            *listing = Listing::read(folder, modified);
        }
        listing
    }
}

impl Listing {
    /// `modified` was asked for before: a change meanwhile shows the next time.
    fn read(folder: &Path, modified: Option<SystemTime>) -> Self {
        let mut listing = Listing { used: true, ..Listing::default() };
        let Ok(entries) = std::fs::read_dir(folder) else { return listing };
        listing.modified = modified;
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let of_container = container::is_folder(folder);
        for name in names.filter(|name| !is_temporary(name)) {
            if let Some(suffix) = container::suffix_of(&name).filter(|_| of_container) {
                listing.runs.push((folder.join(&name), suffix));
                continue;
            }
            if is_for_old(&name) && folder.join(&name).is_dir() {
                listing.old_folders.push(folder.join(&name));
            }
            if let (live, Some(suffix)) = base_of(&name) {
                listing.rotated.entry(live).or_default().push((folder.join(&name), suffix));
            }
            if let Some((live, suffix)) = infixed(&name) {
                listing.rotated.entry(live).or_default().push((folder.join(&name), suffix));
            }
        }
        listing
    }
}

/// Which folder it is, and when names in it, or who may read them, last changed.
pub type NamesAsOf = (u64, u64, SystemTime);

/// What tells whether names in `folder` have changed; none while they did too short a time ago for another change to show.
pub fn names_as_of(folder: &Path) -> Option<NamesAsOf> {
    let metadata = std::fs::metadata(folder).ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::new(metadata.ctime().try_into().ok()?, metadata.ctime_nsec() as u32);
    is_quiet_since(changed).then_some((metadata.dev(), metadata.ino(), changed))
}

/// When names in `folder` last changed, if that is long enough ago for another change to show. One that is not there has
/// been without names for ever.
fn quiet_since(folder: &Path) -> Option<SystemTime> {
    let modified = match std::fs::metadata(folder) {
        Ok(metadata) => metadata.modified().ok()?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => SystemTime::UNIX_EPOCH,
        Err(_) => return None,
    };
    is_quiet_since(modified).then_some(modified)
}

/// Whether a change at `changed` was so long ago that another one since would show.
pub fn is_quiet_since(changed: SystemTime) -> bool {
    let since_1970 = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let tick = if since_1970.subsec_nanos() == 0 { COARSE_CLOCK_TICK } else { CLOCK_TICK };
    match SystemTime::now().duration_since(changed) {
        Ok(age) => age > tick,
        Err(ahead) => ahead.duration() > AHEAD_MAX,
    }
}
