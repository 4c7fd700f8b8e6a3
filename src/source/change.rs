//! What became of a log's live file since the last look. Pure: two answers of the file system in, one decision out.

use std::fs::Metadata;
use std::io;

use super::generation::not_regular;
use super::identity::FileIdentity;

/// What one look found at the log's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtPath {
    /// Nothing is there.
    Nothing,
    /// A regular file is there.
    File(FileIdentity),
    /// Something is there that is no log, or the look failed; in words.
    Unusable(String),
}

impl From<io::Result<Metadata>> for AtPath {
    fn from(looked: io::Result<Metadata>) -> Self {
        match looked {
            Ok(metadata) if metadata.is_file() => AtPath::File(FileIdentity::of(&metadata)),
            Ok(metadata) => AtPath::Unusable(not_regular(&metadata)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => AtPath::Nothing,
            Err(error) => AtPath::Unusable(error.to_string()),
        }
    }
}

/// What to do about it.
///
/// ```text
///              path: nothing     path: same file   path: other file   path: unusable
/// held: none   Wait              –                 Begin              Report
/// held: file   Linger            Read              Succeed            Report
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no file yet: wait for one.
    Wait,
    /// A first file is there: open it.
    Begin,
    /// It is the file that is held: read what was appended.
    Read,
    /// The name is gone, the held file may still be written: go on reading it.
    Linger,
    /// Another file has the name: drain the held one, then open the other.
    Succeed,
    /// Say what is wrong; go on reading the held file if there is one.
    Report(String),
}

/// The decision of one look. `held` is the identity of the file that is open, from its descriptor.
pub fn decide(held: Option<FileIdentity>, at_path: &AtPath) -> Change {
    match (held, at_path) {
        (_, AtPath::Unusable(why)) => Change::Report(why.clone()),
        (None, AtPath::Nothing) => Change::Wait,
        (None, AtPath::File(_)) => Change::Begin,
        (Some(_), AtPath::Nothing) => Change::Linger,
        (Some(held), AtPath::File(found)) if *found == held => Change::Read,
        (Some(_), AtPath::File(_)) => Change::Succeed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity_of(file: &tempfile::NamedTempFile) -> FileIdentity {
        FileIdentity::of(&file.as_file().metadata().unwrap())
    }

    #[test]
    fn another_file_at_the_path_succeeds_the_held_one_and_the_same_file_is_read_on() {
        let (one, other) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let (one, other) = (identity_of(&one), identity_of(&other));
        assert_eq!(decide(Some(one), &AtPath::File(one)), Change::Read);
        assert_eq!(decide(Some(one), &AtPath::File(other)), Change::Succeed);
        assert_eq!(decide(Some(one), &AtPath::Nothing), Change::Linger);
        assert_eq!(decide(None, &AtPath::File(one)), Change::Begin);
        assert_eq!(decide(None, &AtPath::Nothing), Change::Wait);
        assert_eq!(decide(Some(one), &AtPath::Unusable("x".into())), Change::Report("x".into()));
    }
}
