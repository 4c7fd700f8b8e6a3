//! Which logs a pattern on the command line or in the config means, now. Lists directories; opens no file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use globset::{GlobBuilder, GlobMatcher};

use super::container;
use super::folder::is_for_old;
use super::rotation::{base_of, infixed};

/// What a directory stands for: the logs directly in it.
static IN_DIRECTORY: LazyLock<Vec<Step>> = LazyLock::new(|| steps(Path::new("*.log")).expect("a glob of ours"));
/// The longest name of a log, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// How many directories deep `**` looks.
pub const DEPTH_MAX: usize = 16;

/// Where logs are: `[NAME=]PATTERN`, a path, a glob, or a directory.
#[derive(Clone, Debug)]
pub struct LogPattern {
    /// The name it was given. A path's log has this name; a glob's or directory's logs have it as a prefix.
    pub name: Option<String>,
    /// The pattern as it was written.
    pub pattern: PathBuf,
    /// A folder in which rotated files lie, beside the live file's own.
    pub rotated: Option<PathBuf>,
    steps: Vec<Step>,
}

/// One component of a pattern.
#[derive(Clone, Debug)]
enum Step {
    Literal(OsString),
    Match { glob: GlobMatcher, hidden: bool },
    AnyDepth,
}

/// A log that a pattern means: its name and the path where its live file is, or will be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    /// The log's name.
    pub name: String,
    /// Where its live file is.
    pub path: PathBuf,
}

/// Why a text is no pattern, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern(String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPattern {}

impl FromStr for LogPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        match text.split_once('=') {
            Some((name, pattern)) if !name.contains('/') => LogPattern::new(Some(name), Path::new(pattern)),
            _ => LogPattern::new(None, Path::new(text)),
        }
    }
}

/// Checks a name for logs.
///
/// # Errors
/// A name that is empty, too long or has other characters than letters, digits and `._-/`.
pub fn check_name(name: &str) -> Result<(), BadPattern> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
        let why = format!("{name:?} is no name for a log: 1 to {NAME_BYTES_MAX} letters, digits, '.', '_', '-' or '/'");
        return Err(BadPattern(why));
    }
    Ok(())
}

impl LogPattern {
    /// The logs at `pattern`, called `name`.
    ///
    /// # Errors
    /// What [`check_name`] gives; a pattern that is empty or no glob.
    pub fn new(name: Option<&str>, pattern: &Path) -> Result<Self, BadPattern> {
        name.map_or(Ok(()), check_name)?;
        if pattern.as_os_str().is_empty() {
            return Err(BadPattern("a log's path is missing; write NAME=PATH or PATH".into()));
        }
        let absolute = std::path::absolute(pattern).map_err(|error| BadPattern(format!("{}: {error}", pattern.display())))?;
        let steps = if absolute.exists() { literal_steps(&absolute) } else { steps(&absolute)? };
        Ok(LogPattern { name: name.map(String::from), pattern: pattern.to_path_buf(), rotated: None, steps })
    }

    /// The same, with another folder in which rotated files lie.
    pub fn with_rotated(self, rotated: Option<PathBuf>) -> Self {
        LogPattern { rotated, ..self }
    }

    /// Whether it means what `other` means.
    pub fn is(&self, other: &LogPattern) -> bool {
        (&self.name, &self.pattern, &self.rotated) == (&other.name, &other.pattern, &other.rotated)
    }

    /// The one name that this pattern can stand for; `None` for a pattern that can mean several logs.
    pub fn only_name(&self) -> Option<String> {
        let path = self.literal()?;
        if path.is_dir() {
            return None;
        }
        let of_file = || printable(path.file_name().unwrap_or(OsStr::new("log")));
        Some(self.name.clone().or_else(|| container::name_of(&path)).unwrap_or_else(of_file))
    }

    /// Whether a log of this pattern may have this name; of one without a name only a path's is known.
    pub fn may_be_called(&self, log: &str) -> bool {
        let prefixed = |name: &String| log.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'));
        self.only_name().as_deref() == Some(log) || self.name.as_ref().is_some_and(prefixed)
    }

    /// The directories that must be watched to see logs of this pattern come and go, the deepest that exist.
    pub fn directories(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        self.walk(&mut |directory| found.push(directory.to_path_buf()), &mut |_| {});
        found
    }

    /// The folder in which all is that it can mean.
    pub fn folder(&self) -> PathBuf {
        match self.literal() {
            Some(path) if !path.is_dir() => path.parent().unwrap_or(Path::new("/")).to_path_buf(),
            _ => self.literal_prefix(),
        }
    }

    /// The logs that it means now. A path is a log even where no file exists yet.
    pub fn expand(&self) -> BTreeSet<Found> {
        let mut found = BTreeSet::new();
        if let Some(path) = self.literal()
            && !path.is_dir()
        {
            let name = self.only_name().expect("a path that is no directory has one name");
            found.insert(Found { name, path });
            return found;
        }
        let prefix = self.literal_prefix();
        let named = |own: String| self.name.as_ref().map_or(own.clone(), |name| format!("{name}/{own}"));
        let mut containers: HashMap<String, PathBuf> = HashMap::new();
        self.walk(&mut |_| {}, &mut |path| match container::name_of(path) {
            Some(name) => {
                let newest = containers.entry(name).or_insert_with(|| path.to_path_buf());
                if *newest != path && container::age(path) > container::age(newest) {
                    *newest = path.to_path_buf();
                }
            }
            None => {
                let relative = printable(path.strip_prefix(&prefix).unwrap_or(path).as_os_str());
                found.insert(Found { name: named(relative), path: path.to_path_buf() });
            }
        });
        found.extend(containers.into_iter().map(|(name, path)| Found { name: named(name), path }));
        found
    }

    /// The path, if the pattern is one and not a glob.
    fn literal(&self) -> Option<PathBuf> {
        let path = self.literal_prefix();
        self.steps.iter().all(|step| matches!(step, Step::Literal(_))).then_some(path)
    }

    fn literal_prefix(&self) -> PathBuf {
        let literals = self.steps.iter().map_while(|step| match step {
            Step::Literal(name) => Some(name),
            _ => None,
        });
        Path::new("/").join(literals.collect::<PathBuf>())
    }

    /// Visits every directory on the way and every live path that the pattern matches.
    fn walk(&self, directory: &mut dyn FnMut(&Path), log: &mut dyn FnMut(&Path)) {
        match self.literal().filter(|path| path.is_dir()) {
            Some(path) => walk(&path, &IN_DIRECTORY, DEPTH_MAX, directory, log),
            None => walk(Path::new("/"), &self.steps, DEPTH_MAX, directory, log),
        }
    }
}

fn walk(at: &Path, steps: &[Step], depth: usize, directory: &mut dyn FnMut(&Path), log: &mut dyn FnMut(&Path)) {
    match steps {
        [] => {}
        [Step::Literal(name)] => {
            directory(at);
            log(&at.join(name));
        }
        [Step::Literal(name), rest @ ..] => {
            let next = at.join(name);
            if next.is_dir() {
                walk(&next, rest, depth, directory, log);
            } else {
                directory(at);
            }
        }
        [Step::Match { glob, hidden }] => {
            directory(at);
            let names: HashSet<OsString> = names_in(at, *hidden).into_iter().collect();
            for name in &names {
                let (base, _) = base_of(name);
                if infixed(name).is_some_and(|(live, _)| names.contains(&live)) {
                    // `app.1.log` beside `app.log`: one of its rotated files.
                } else if glob.is_match(&base) {
                    log(&at.join(base));
                } else if glob.is_match(name) {
                    log(&at.join(name));
                }
            }
        }
        [Step::Match { glob, hidden }, rest @ ..] => {
            directory(at);
            for name in names_in(at, *hidden) {
                let next = at.join(&name);
                if glob.is_match(&name) && next.is_dir() {
                    walk(&next, rest, depth, directory, log);
                }
            }
        }
        [Step::AnyDepth, rest @ ..] => {
            directory(at);
            walk(at, rest, depth, directory, log);
            for name in names_in(at, false) {
                let next = at.join(&name);
                if depth > 0 && next.is_dir() && !next.is_symlink() {
                    // What lies there without a live file of its own belongs to the log of that name beside the folder.
                    let is_beside = |path: &Path| path.file_name().is_some_and(|live| at.join(live).exists());
                    let rotated = |path: &Path| is_for_old(&name) && path.parent() == Some(&next) && !path.exists();
                    let mut own = |path: &Path| {
                        if !rotated(path) || !is_beside(path) {
                            log(path)
                        }
                    };
                    walk(&next, steps, depth - 1, directory, &mut own);
                }
            }
        }
    }
}

/// The names in a directory, without editors' and NFS' temporary files. A directory that can't be read has none: the
/// logs that are known stay known.
fn names_in(directory: &Path, hidden: bool) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    names.filter(|name| !is_temporary(name) && (hidden || !name.as_bytes().starts_with(b"."))).collect()
}

/// Whether a name is one that editors, compressors and NFS give to files that will not stay.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b".nfs") || [&b".tmp"[..], b".swp", b"~"].iter().any(|ending| name.ends_with(ending))
}

fn literal_steps(absolute: &Path) -> Vec<Step> {
    normal(absolute).map(|name| Step::Literal(name.to_os_string())).collect()
}

fn normal(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    })
}

fn steps(path: &Path) -> Result<Vec<Step>, BadPattern> {
    normal(path)
        .map(|name| match name.to_str() {
            Some("**") => Ok(Step::AnyDepth),
            Some(text) if text.contains(['*', '?', '[', '{']) => {
                let glob = GlobBuilder::new(text).literal_separator(true).build();
                let glob = glob.map_err(|error| BadPattern(format!("{}: {error}", path.display())))?;
                Ok(Step::Match { glob: glob.compile_matcher(), hidden: text.starts_with('.') })
            }
            _ => Ok(Step::Literal(name.to_os_string())),
        })
        .collect()
}

/// A file name as text on one line: what is not UTF-8 or not printable stands as `\xNN`.
fn printable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.to_string().bytes().map(|byte| format!("\\x{byte:02x}"))) } else { text.push(c) }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(pattern: &str) -> Vec<String> {
        pattern.parse::<LogPattern>().unwrap().expand().into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn rotated_files_in_a_folder_for_them_are_no_logs_of_their_own() {
        let files =
            ["app.log", "old/app.log.1", "old/app.log.2.gz", "old/lonely.log.1", "old/live.log", "live.log", "sub/app.log.1"];
        let folder = folder(&files);
        let pattern = LogPattern::new(None, &folder.path().join("**/*.log")).unwrap();
        let names: Vec<String> = pattern.expand().into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["app.log", "live.log", "old/live.log", "old/lonely.log", "sub/app.log"]);
    }

    #[test]
    fn a_path_is_one_log_even_before_it_exists() {
        assert_eq!(names("/no/such/folder/app.log"), ["app.log"]);
        assert_eq!(names("app=/no/such/folder/x.log"), ["app"]);
        assert_eq!(names("/no/such/a=b.log"), ["a=b.log"]);
    }

    #[test]
    fn a_glob_or_directory_gives_one_log_for_a_file_and_its_rotated_siblings() {
        let folder = folder(&["app.log", "app.log.1", "app.log.2.gz", "web.log-20261122.gz", "notes.txt", "x.log.tmp", ".h.log"]);
        let path = folder.path().display();
        assert_eq!(names(&format!("{path}/*.log")), ["app.log", "web.log"]);
        assert_eq!(names(&format!("{path}/*.log*")), ["app.log", "web.log"]);
        assert_eq!(names(&format!("{path}")), ["app.log", "web.log"]);
        assert_eq!(names(&format!("w={path}/")), ["w/app.log", "w/web.log"]);
        let named: LogPattern = format!("w={path}/").parse().unwrap();
        assert_eq!(["w/app.log", "w/x", "web/x", "x"].map(|log| named.may_be_called(log)), [true, true, false, false]);
        assert_eq!(names(&format!("{path}/app.log.[0-9]")), ["app.log.1"]);
        for pattern in ["", "/app.log", "/no.log", "/*.log", "/*/x.log", "/**/*.log"] {
            assert_eq!(format!("{path}{pattern}").parse::<LogPattern>().unwrap().folder(), folder.path(), "{pattern}");
        }
    }

    #[test]
    fn globs_cross_directories_and_names_tell_them_apart() {
        let folder = folder(&["a/app.log", "b/app.log", "b/c/deep.log"]);
        let path = folder.path().display();
        assert_eq!(names(&format!("{path}/*/app.log")), ["a/app.log", "b/app.log"]);
        assert_eq!(names(&format!("{path}/**/*.log")), ["a/app.log", "b/app.log", "b/c/deep.log"]);
    }

    #[test]
    fn bad_names_and_patterns_are_refused_with_what_would_be_right() {
        assert!("a b=/x".parse::<LogPattern>().unwrap_err().to_string().contains("letters"));
        assert!("app=".parse::<LogPattern>().unwrap_err().to_string().contains("NAME=PATH"));
        assert!("/x/[.log".parse::<LogPattern>().is_err());
        let named = |length: usize| format!("{}=/x", "n".repeat(length)).parse::<LogPattern>();
        assert!(named(255).is_ok());
        assert!(named(256).unwrap_err().to_string().contains("1 to 255 letters"));
    }

    #[test]
    fn names_are_one_printable_line() {
        assert_eq!(printable(OsStr::from_bytes(b"a\nb\xff.log")), "a\\x0ab\\xff.log");
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_is_refused_in_words(text in "[a-z=./*?\\[\\]{}!,-]{0,20}|\\PC{0,20}") {
            match text.parse::<LogPattern>() {
                Ok(pattern) => {
                    let _ = pattern.only_name();
                    prop_assert!(!text.is_empty());
                }
                Err(why) => prop_assert!(!why.to_string().is_empty() && !why.to_string().contains('\n')),
            }
        }

        #[test]
        fn any_file_name_is_one_printable_line_and_a_plain_one_is_itself(name: Vec<u8>, plain in "[a-zA-Z0-9._ -]{1,20}") {
            prop_assert!(!printable(OsStr::from_bytes(&name)).contains(char::is_control));
            prop_assert_eq!(printable(OsStr::new(&plain)), plain);
            let _ = is_temporary(OsStr::from_bytes(&name));
        }
    }
}
