//! A program that writes a log and rotates it, and remembers what it wrote.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The writer of one log.
pub struct Log {
    path: PathBuf,
    file: File,
    written: Vec<String>,
}

impl Log {
    /// Opens `path` for appending, created (with its parents) if it is not there.
    pub fn open(path: PathBuf) -> Self {
        fs::create_dir_all(path.parent().expect("a path in a folder")).expect("parents");
        Log { file: append(&path), path, written: Vec::new() }
    }

    /// Where it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every line that it has written, without line ends.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// Writes `count` numbered lines, no two of any log alike, and gives them.
    pub fn write(&mut self, count: usize) -> Vec<String> {
        let lines: Vec<_> = (0..count).map(|line| self.numbered(self.written.len() + line)).collect();
        for line in &lines {
            self.line(line);
        }
        lines
    }

    /// Writes one line.
    pub fn line(&mut self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
        self.written.push(line.to_owned());
    }

    /// Writes bytes as they are, and does not remember them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).expect("writing a log");
    }

    /// Counts a line as written that reached the log as bytes.
    pub fn remember(&mut self, line: String) {
        self.written.push(line);
    }

    /// Rotates as logrotate does with `create`: every earlier file moves up by one, the present one becomes `.1` and a new
    /// one takes its place. Gives the old file as the writer of before still holds it.
    pub fn rotate(&mut self) -> File {
        let old = self.move_away();
        self.create_anew();
        old
    }

    /// Rotates as logrotate does with `copytruncate`: every earlier file moves up by one, the present one is copied to `.1`
    /// and cut to nothing.
    pub fn copytruncate(&mut self) {
        self.copy();
        self.cut();
    }

    /// Cuts the file to nothing.
    pub fn cut(&mut self) {
        self.file.set_len(0).expect("truncating");
    }

    /// The first half of a `copytruncate`: lines written after it are destroyed by the truncation.
    pub fn copy(&mut self) {
        let first = self.make_room();
        fs::copy(&self.path, first).expect("copying");
    }

    /// The first half of a rotation: the path is empty after it, and lines still go to the old file.
    pub fn move_away(&mut self) -> File {
        let first = self.make_room();
        fs::rename(&self.path, first).expect("rotating");
        self.file.try_clone().expect("a second handle")
    }

    /// Moves every rotated file up by one; the name that is free then.
    fn make_room(&self) -> PathBuf {
        let rotated = |number: usize, end: &str| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}{end}"));
            PathBuf::from(name)
        };
        let newest = (1..).find(|&number| !["", ".gz"].iter().any(|end| rotated(number, end).exists()));
        for number in (1..newest.expect("there is always one")).rev() {
            for end in ["", ".gz"] {
                let _ = fs::rename(rotated(number, end), rotated(number + 1, end));
            }
        }
        rotated(1, "")
    }

    /// The second half of a rotation: a new file, in which later lines go.
    pub fn create_anew(&mut self) {
        self.file = append(&self.path);
    }

    fn numbered(&self, number: usize) -> String {
        let name = self.path.file_name().expect("a file").to_string_lossy();
        let (minute, second) = (number / 60_000 % 60, number / 1000 % 60);
        format!("2026-11-22T10:{minute:02}:{second:02}.{:03}Z INFO {name} line {number:06}", number % 1000)
    }
}

/// Compresses a file as some rotation tools do: the result, with a date of its own, stands beside it; then the plain one
/// goes.
pub fn gzip(path: &Path) {
    compress(path);
    fs::remove_file(path).expect("removing the plain file");
}

/// The same as `gzip` and logrotate do it: the result gets the date of the plain file.
pub fn gzip_with_date(path: &Path) {
    let date = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a date");
    compress(path).set_modified(date).expect("setting a date");
    fs::remove_file(path).expect("removing the plain file");
}

fn compress(path: &Path) -> File {
    let content = fs::read(path).expect("a file to compress");
    let target = PathBuf::from(format!("{}.gz", path.display()));
    let mut encoder = GzEncoder::new(File::create(target).expect("a file"), Compression::default());
    encoder.write_all(&content).and_then(|()| encoder.finish()).expect("compressing")
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
