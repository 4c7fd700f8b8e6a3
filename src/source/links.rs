//! How far symbolic links may lead. Opens files on ways that nobody can change meanwhile; never decides what is followed.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Deserialize;

/// How far symbolic links may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    /// Not out of the folder that a log was named by.
    Inside,
    /// Anywhere.
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
}
