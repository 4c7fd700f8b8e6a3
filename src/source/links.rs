//! How far symbolic links may lead. Opens files on ways that nobody can change meanwhile; never decides what is followed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::fs::{fstat, fstatfs, openat, openat2, readlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;
use serde::Deserialize;

/// How far symbolic links may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    /// Not out of the folder that a log was named by.
    Inside,
    /// Anywhere, if somebody made them who could read there as well.
    #[default]
    Any,
}

/// What opens a folder only to go on from it, where the system has that: it may be one that can't be listed.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

/// Opens `path` for reading if links lead nowhere but to a file inside `folder`. Goes there from `folder` by its real names,
/// so that a name that becomes a link after it was looked at is an error.
///
/// # Errors
/// What opening gives; `PermissionDenied`, in words, where it leads out.
pub fn open_inside(folder: &Path, path: &Path, flags: OFlags) -> io::Result<File> {
    let (folder, real) = (folder.canonicalize()?, path.canonicalize()?);
    let (Ok(within), Some(name)) = (real.strip_prefix(&folder), real.file_name()) else {
        let out = format!("a symbolic link leads out of {}, and --follow-symlinks says inside", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, out));
    };
    let pass = PASS | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = openat(CWD, &folder, pass, Mode::empty())?;
    for step in within.parent().into_iter().flatten() {
        at = openat(&at, step, pass, Mode::empty())?;
    }
    Ok(openat(&at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// How many links a way may go by, as the kernel has it.
pub const LINKS_MAX: usize = 40;

/// Opens `path` for reading wherever links lead, unless somebody made one to have us read what is not theirs: a link that
/// leads out of its own folder counts only from root, from the user that we run as, and from whoever owns the file. What is
/// of a user that this user namespace does not know is of nobody that counts.
///
/// # Errors
/// What opening gives; `PermissionDenied`, in words, for such a link.
pub fn open_trusted(path: &Path, flags: OFlags) -> io::Result<File> {
    match openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(file) => Ok(file.into()),
        // There is a link; or the call is not known here, or not allowed.
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => {
            let mut way = Way::to(path)?;
            let file = way.go(flags)?;
            way.judged(file)
        }
        Err(error) => Err(error.into()),
    }
}

/// Where a path leads by its links, also where nothing is there yet: its real folders, and the name of the file. Rotated files
/// lie beside that. A link that does not count leads nowhere. Learnt on the very way on which the links were judged: no link
/// that is switched meanwhile can make it another.
pub fn real_path(path: &Path) -> PathBuf {
    let gone = Way::to(path).and_then(|mut way| {
        match way.go(OFlags::PATH) {
            Ok(file) => drop(way.judged(file)?),
            Err(error) if !way.left.is_empty() || !way.doubtful.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(way.real)
    });
    gone.unwrap_or_else(|_| path.to_owned())
}

/// A way that is gone step by step, so that no link on it can be another one than the one that was looked at.
struct Way {
    at: OwnedFd,
    /// Where that is, by its real name; at the end of the way what it leads to.
    real: PathBuf,
    /// The steps that are left, the next one last.
    left: Vec<OsString>,
    /// Links that lead out of their folders: their names and who made them.
    doubtful: Vec<(OsString, u32)>,
    links: usize,
}

impl Way {
    fn to(path: &Path) -> io::Result<Self> {
        let mut way = Way {
            at: folder(CWD, if path.is_absolute() { "/" } else { "." })?,
            real: if path.is_absolute() { "/".into() } else { Path::new(".").canonicalize()? },
            left: Vec::new(),
            doubtful: Vec::new(),
            links: 0,
        };
        way.go_by(path);
        Ok(way)
    }

    fn go_by(&mut self, path: &Path) {
        let steps = path.components().rev().filter(|step| !matches!(step, Component::RootDir | Component::CurDir));
        self.left.extend(steps.map(|step| step.as_os_str().to_owned()));
    }

    /// Goes it and opens what stands at its end.
    fn go(&mut self, flags: OFlags) -> io::Result<OwnedFd> {
        while let Some(step) = self.left.pop() {
            match step == ".." {
                true => drop(self.real.pop()),
                false => self.real.push(&step),
            }
            let entry = openat(&self.at, &step, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            let is_link = FileType::from_raw_mode(fstat(&entry)?.st_mode) == FileType::Symlink;
            let is_last = self.left.is_empty();
            match () {
                // Only the kernel knows where those lead.
                () if is_link && fstatfs(&self.at)?.f_type == PROC_SUPER_MAGIC => {
                    self.note(&step, &entry, false)?;
                    if is_last {
                        return Ok(openat(&self.at, &step, flags | OFlags::CLOEXEC, Mode::empty())?);
                    }
                    self.at = folder(&self.at, &step)?;
                }
                () if is_link => self.follow(&step, &entry)?,
                () if is_last => {
                    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    return Ok(openat(&self.at, &step, flags, Mode::empty())?);
                }
                () => self.at = entry,
            }
        }
        // It leads to `/` or `.`.
        Ok(openat(&self.at, ".", flags | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn follow(&mut self, name: &OsStr, link: &OwnedFd) -> io::Result<()> {
        let target = PathBuf::from(OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes()));
        self.note(name, link, target.components().all(|step| matches!(step, Component::Normal(_) | Component::CurDir)))?;
        self.real.pop();
        if target.is_absolute() {
            self.at = folder(CWD, "/")?;
            self.real = "/".into();
        }
        self.go_by(&target);
        Ok(())
    }

    /// Notes whose link this is, unless it `stays` in its folder.
    fn note(&mut self, name: &OsStr, link: &OwnedFd, stays: bool) -> io::Result<()> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::LOOP.into());
        }
        let owner = fstat(link)?.st_uid;
        if !stays && owner != 0 && (owner != geteuid().as_raw() || is_anybody(owner)) {
            self.doubtful.push((name.to_owned(), owner));
        }
        Ok(())
    }

    /// What was opened, if all links to it count.
    fn judged(&self, file: OwnedFd) -> io::Result<File> {
        let owner = fstat(&file)?.st_uid;
        let counts = |maker: u32| maker == owner && !is_anybody(maker);
        let Some((name, maker)) = self.doubtful.iter().find(|(_, maker)| !counts(*maker)) else { return Ok(file.into()) };
        let maker = if is_anybody(*maker) { "a user that is not known here".into() } else { format!("user {maker}") };
        let planted = format!(
            "the symbolic link {name:?} is of {maker} and leads out of its folder to a file of user {owner}: links that lead \
             out count only from root, the user of sidetail and the owner of the file"
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, planted))
    }
}

/// Whether files of any user may seem to be of this one: in a user namespace that does not know all users, those that it
/// does not know are all the same.
fn is_anybody(user: u32) -> bool {
    static UNKNOWN: LazyLock<Option<u32>> = LazyLock::new(|| {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let knows_all = map.split_whitespace().eq(["0", "0", "4294967295"]);
        let overflow = || fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok();
        (!knows_all && cfg!(target_os = "linux")).then(|| overflow().unwrap_or(65_534))
    });
    *UNKNOWN == Some(user)
}

/// A folder to go on from.
fn folder(at: impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    Ok(openat(at, path, PASS | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_files_inside_and_no_further() {
        let world = tempfile::tempdir().unwrap();
        let (inside, outside) = (world.path().join("logs"), world.path().join("secret"));
        std::fs::create_dir_all(inside.join("deep/er")).unwrap();
        std::fs::write(inside.join("deep/er/app.log"), "inside").unwrap();
        std::fs::write(&outside, "outside").unwrap();
        symlink(inside.join("deep/er/app.log"), inside.join("absolute.log")).unwrap();
        symlink("../logs/deep", inside.join("folder")).unwrap();
        symlink("..", inside.join("up")).unwrap();
        symlink(&outside, inside.join("out.log")).unwrap();
        let read = |name: &str| {
            let mut text = String::new();
            open_inside(&inside, &inside.join(name), OFlags::RDONLY)?.read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        for name in ["deep/er/app.log", "absolute.log", "folder/er/app.log", "up/logs/deep/er/app.log"] {
            assert_eq!(read(name).unwrap(), "inside", "{name}");
        }
        for name in ["out.log", "up/secret", "up/logs/out.log"] {
            assert_eq!(read(name).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{name}");
        }
        assert_eq!(read("nothing").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_real_path_names_real_folders_also_of_what_is_not_there_yet() {
        let world = tempfile::tempdir().unwrap();
        let top = world.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("deep/er")).unwrap();
        std::fs::write(top.join("deep/er/app.log"), "").unwrap();
        for (target, name) in [
            ("deep", "folder"),
            ("folder/er/../er/app.log", "file.log"),
            ("../folder/er/app.log", "deep/up.log"),
            ("deep/er/later.log", "later.log"),
            ("round.log", "round.log"),
        ] {
            symlink(target, top.join(name)).unwrap();
        }
        symlink(top.join("file.log"), top.join("absolute.log")).unwrap();
        for (name, real) in [
            ("deep/er/app.log", "deep/er/app.log"),
            ("file.log", "deep/er/app.log"),
            ("deep/up.log", "deep/er/app.log"),
            ("absolute.log", "deep/er/app.log"),
            ("folder", "deep"),
            ("folder/..", ""),
            ("folder/new.log", "deep/new.log"),
            ("later.log", "deep/er/later.log"),
            ("round.log", "round.log"),
            ("not/there/app.log", "not/there/app.log"),
        ] {
            assert_eq!(real_path(&top.join(name)).components().as_path(), top.join(real).components().as_path(), "{name}");
        }
    }
}
