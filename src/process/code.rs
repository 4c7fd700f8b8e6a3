//! Gives the program's code back to the page cache. The one file with unsafe code: quiet, an agent holds 5.5 MiB with it and
//! 8.5 without (`benches/run idle`), and there is no other way to say it to the kernel.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of the pages of this program's code and constants. Those that are used again come back from the page cache, 16 at
/// a time. Most of what a start or a request takes is not used again while nothing happens.
///
/// # Errors
/// Where `/proc` can't be read, or the kernel refuses.
pub fn give_back_code() -> io::Result<()> {
    let own = give_back_code as fn() -> io::Result<()> as usize;
    for range in unwritten_around(&fs::read_to_string("/proc/self/smaps")?, own) {
        // SAFETY: The range is one whole mapping, as the kernel tells it, so it is aligned to pages. It is of the file that
        // this function itself is mapped from: a part of the running program, which stays where it is until the program ends.
        // It is private, and no page of it differs from the file: a page that was written, by the loader or by a debugger,
        // would be anonymous or swapped, and there is none. None is written from now on: the mapping can't be, nothing in
        // here makes it so, and the file of a running program can't be either (`ETXTBSY`). So a page that is let go of holds
        // the same bytes when it is read again, and nothing that runs can see a difference.
        unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) }?;
    }
    Ok(())
}

/// What the text of `/proc/self/smaps` says of one mapping.
struct Mapping<'a> {
    range: Range<usize>,
    mode: &'a str,
    /// Device and inode; 0 is of none.
    file: (&'a str, &'a str),
    /// Whether it says that no page is anonymous, and that none is swapped.
    is_as_in_file: (bool, bool),
}

/// The mappings of the file that is mapped around `own` that are private, can't be written and were not.
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
    let around = mappings.iter().find(|mapping| mapping.range.contains(&own)).map(|mapping| mapping.file);
    let fit = |mapping: &Mapping| {
        Some(mapping.file) == around
            && mapping.file.1 != "0"
            && mapping.is_as_in_file == (true, true)
            && ["r-xp", "r--p"].contains(&mapping.mode)
    };
    mappings.into_iter().filter(fit).map(|mapping| mapping.range).collect()
}

/// The mapping that `line` begins to tell of, if it does: `START-END MODE OFFSET DEVICE INODE PATH`.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let (mode, file) = (fields.next()?, (fields.nth(1)?, fields.next()?));
    Some(Mapping { range, mode, file, is_as_in_file: (false, false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mapping as the kernel tells it, for the most part.
    fn told(range: &str, mode: &str, file: &str, anonymous: u32, swapped: u32) -> String {
        let sizes = format!("Size: 4 kB\nAnonymous: {anonymous:>8} kB\nLazyFree: 0 kB\nSwap: {swapped:>8} kB\nSwapPss: 0 kB\n");
        format!("{range} {mode} 00000000 {file}\n{sizes}VmFlags: rd mr mw me\n")
    }

    #[test]
    fn what_was_written_or_can_be_or_is_of_another_file_stays() {
        let own = "00:1b 77  /usr/bin/side tail (deleted)";
        let maps = [
            told("1000-3000", "r--p", own, 0, 0),
            told("3000-9000", "r-xp", own, 0, 0),
            told("9000-a000", "r--p", own, 4, 0),
            told("a000-b000", "r--p", own, 0, 4),
            told("b000-c000", "rw-p", own, 0, 0),
            told("c000-d000", "r--s", own, 0, 0),
            told("d000-e000", "r-xp", "00:1b 78 /lib/libc.so", 0, 0),
            told("e000-f000", "r--p", own, 4, 0),
            told("f000-10000", "r-xp", "00:00 0", 0, 0),
        ];
        assert_eq!(unwritten_around(&maps.concat(), 0x3000), [0x1000..0x3000, 0x3000..0x9000]);
        let nothing: [Range<usize>; 0] = [];
        assert_eq!(unwritten_around(&maps.concat(), 0xf000), nothing);
        assert_eq!(unwritten_around(&maps.concat(), 0x10000), nothing);
        // A kernel that does not say it.
        assert_eq!(unwritten_around("1000-3000 r-xp 0 00:1b 77 /x\nSize: 4 kB\nAnonymous: 0 kB\n", 0x1000), nothing);
        assert_eq!(unwritten_around("nonsense\n-\nSwap: 0 kB\nx-y r-xp\n", 0), nothing);
    }

    #[test]
    fn code_that_was_given_back_still_runs() {
        for _ in 0..100 {
            give_back_code().expect("given back");
        }
    }
}
