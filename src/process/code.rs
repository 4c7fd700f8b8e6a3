//! Gives the program's code back to the page cache. The one file with unsafe code: quiet, an agent holds 5.5 MiB with it and
//! 8.5 without (`benches/run idle`), and there is no other way to say it to the kernel.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of the pages of this program's code, and of the constants before it. Those that are used again come back from the
/// page cache, some at a time; most of what a start or a request takes is not used again while nothing happens. Breakpoints
/// that a debugger sets at this very moment may be lost.
///
/// # Errors
/// Where `/proc` can't be read, or the kernel refuses.
pub fn give_back_code() -> io::Result<()> {
    let own = give_back_code as fn() -> io::Result<()> as usize;
    let smaps = fs::read("/proc/self/smaps")?;
    for range in unwritten_around(&String::from_utf8_lossy(&smaps), own) {
        // SAFETY: The range is one whole mapping, as the kernel tells it, so it is aligned to pages. Either this function itself
        // lies in it, or it stands right before that and begins with the head of the same file: a part of the running program,
        // which stays where it is until the program ends. It is private and can't be written, and nothing in here makes it so;
        // nor has the loader: what that relocates stands behind the code. The kernel says besides that no page of it is a copy
        // (anonymous or swapped), as those into which a debugger wrote would be. So every page is the page cache's own, and to
        // let go of it is what the kernel itself does when memory is short: nothing that runs can see a difference.
        unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) }?;
    }
    Ok(())
}

/// What the text of `/proc/self/smaps` says of one mapping.
struct Mapping<'a> {
    range: Range<usize>,
    mode: &'a str,
    /// Where it begins in its file, in hexadecimal digits.
    offset: &'a str,
    /// Device and inode; 0 is of none.
    file: (&'a str, &'a str),
    /// Whether it says that no page is anonymous, and that none is swapped.
    is_as_in_file: (bool, bool),
}

/// The code around `own`, and the head of its file where that stands right before it, each if no page of it was written.
fn unwritten_around(smaps: &str, own: usize) -> Vec<Range<usize>> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        match (mapping(line), mappings.last_mut()) {
            (Some(next), _) => mappings.push(next),
            (None, Some(last)) => match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("Anonymous", "0 kB")) => last.is_as_in_file.0 = true,
                Some(("Swap", "0 kB")) => last.is_as_in_file.1 = true,
                _ => {}
            },
            (None, None) => {}
        }
    }
    let is_code = |mapping: &&Mapping| mapping.range.contains(&own) && mapping.mode == "r-xp" && mapping.file.1 != "0";
    let Some(code) = mappings.iter().find(is_code) else { return Vec::new() };
    let is_head = |mapping: &&Mapping| {
        mapping.range.end == code.range.start
            && mapping.mode == "r--p"
            && mapping.file == code.file
            && mapping.offset.bytes().all(|digit| digit == b'0')
    };
    let head = mappings.iter().find(is_head);
    let unwritten = [Some(code), head].into_iter().flatten().filter(|mapping| mapping.is_as_in_file == (true, true));
    unwritten.map(|mapping| mapping.range.clone()).collect()
}

/// The mapping that `line` begins to tell of, if it does: `START-END MODE OFFSET DEVICE INODE PATH`.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let (mode, offset, file) = (fields.next()?, fields.next()?, (fields.next()?, fields.next()?));
    Some(Mapping { range, mode, offset, file, is_as_in_file: (false, false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "00:1b 77  /usr/bin/side tail (deleted)";

    /// A mapping as the kernel tells it, for the most part.
    fn told(range: &str, mode: &str, offset: &str, file: &str, anonymous: u32, swapped: u32) -> String {
        let sizes = format!("Size: 4 kB\nAnonymous: {anonymous:>8} kB\nLazyFree: 0 kB\nSwap: {swapped:>8} kB\nSwapPss: 0 kB\n");
        format!("{range} {mode} {offset:0>8} {file}\n{sizes}VmFlags: rd mr mw me\n")
    }

    #[test]
    fn only_code_and_the_head_before_it_are_given_back() {
        let maps = [
            told("1000-2000", "r--p", "0", "00:1b 78 /lib/libc.so", 0, 0),
            told("2000-3000", "r--p", "0", OWN, 0, 0),
            told("3000-9000", "r-xp", "1000", OWN, 0, 0),
            // Relocated by the loader; where nothing counts, as in emulators, it says 0 too.
            told("9000-a000", "r--p", "7000", OWN, 0, 0),
            told("a000-b000", "rw-p", "8000", OWN, 0, 0),
            told("b000-c000", "r-xp", "0", "00:00 0", 0, 0),
        ]
        .concat();
        assert_eq!(unwritten_around(&maps, 0x3000), [0x3000..0x9000, 0x2000..0x3000]);
        assert_eq!(unwritten_around(&maps, 0x8fff), [0x3000..0x9000, 0x2000..0x3000]);
        let nothing: [Range<usize>; 0] = [];
        for other in [0, 0x1000, 0x2000, 0x9000, 0xa000, 0xb000, 0xc000] {
            assert_eq!(unwritten_around(&maps, other), nothing, "{other:x}");
        }
    }

    #[test]
    fn what_was_written_stays() {
        let code = told("3000-9000", "r-xp", "2000", OWN, 0, 0);
        let before = |range, mode, offset, anonymous, swapped| told(range, mode, offset, OWN, anonymous, swapped) + &code;
        for head in [
            before("1000-3000", "r--p", "0", 4, 0),
            before("1000-3000", "r--p", "0", 0, 4),
            before("1000-3000", "r--p", "1000", 0, 0),
            before("1000-3000", "rw-p", "0", 0, 0),
            before("1000-3000", "r--s", "0", 0, 0),
            before("1000-2000", "r--p", "0", 0, 0),
        ] {
            assert_eq!(unwritten_around(&head, 0x3000), std::slice::from_ref(&(0x3000..0x9000)), "{head}");
        }
        let written = told("3000-9000", "r-xp", "2000", OWN, 4, 0) + &told("9000-a000", "rw-p", "0", "00:00 0", 0, 0);
        // And a kernel that does not say it.
        let unsaid = "3000-9000 r-xp 2000 00:1b 77 /x\nSize: 4 kB\nAnonymous: 0 kB\n".to_owned();
        for code in [written, unsaid, "nonsense\n-\nSwap: 0 kB\nx-y r-xp\n".to_owned()] {
            let nothing: [Range<usize>; 0] = [];
            assert_eq!(unwritten_around(&code, 0x3000), nothing, "{code}");
        }
    }

    #[test]
    fn code_that_was_given_back_still_runs() {
        for _ in 0..100 {
            give_back_code().expect("given back");
        }
    }
}
