//! Reads what was appended to a file that is held open, and notices when it was not an append. Knows one file and
//! nothing of names.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use memchr::memchr;

use super::content::{Content, READ_BYTES, read_at, read_head};
use super::folder::is_quiet_since;
use super::generation::Generation;
use super::identity::{FileIdentity, Head};
use super::read::{Trouble, last_complete};
use super::split::complete;
use super::strength::is_strong;
use super::tail::Piece;
use crate::event::Reason;
use crate::position::{HEAD_BYTES_MAX, TIP_BYTES_MAX};

/// How much is read of a growing file at once, in bytes.
const BLOCK_BYTES: usize = 2 * READ_BYTES;
/// A file of up to this size is read from its beginning when it is opened, so that its records are in memory. Of what
/// comes while nobody reads, so much at a time goes there at most.
pub const HOT_START_BYTES_MAX: u64 = 1 << 20;
/// After a search for the first byte of content that took longer and was in vain, there is a pause of so many times as long.
const VAIN_SEARCH: Duration = Duration::from_millis(20);
const VAIN_SEARCH_PAUSE: u32 = 16;
/// How many blocks are read in one go, so that one busy log does not keep the others waiting.
const BLOCKS_MAX: usize = 16;

/// A file that is held open and read to its end.
#[derive(Debug)]
pub struct HeldFile {
    /// The generation's serial.
    pub serial: u64,
    /// The open file.
    pub file: Arc<File>,
    /// Which file it is.
    pub identity: FileIdentity,
    /// How its content begins.
    pub head: Head,
    /// Offset just after its last whole record.
    pub end: u64,
    /// The content before `end` that the position there is made from.
    pub tip: Bytes,
    /// When it was last written, as of before the last read: never later than what is known of it.
    pub modified: SystemTime,
    /// Whether that was long enough ago for another write to show.
    quiet: bool,
    /// Offset up to which no further LF was found.
    scanned: u64,
    /// Where NUL bytes begin that reach up to `scanned`: space that a writer reserved and may still fill.
    reserved: Option<u64>,
    /// What was passed over since it was published last.
    pub passed: Passed,
    vain_search: Option<VainSearch>,
}

/// A search for the first byte of content that found NUL bytes only.
#[derive(Clone, Copy, Debug)]
struct VainSearch {
    size: u64,
    modified: SystemTime,
    /// When it may be done again, if the file has changed.
    again_at: Instant,
}

/// Records that make no piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How many are longer than a block.
    pub long_records: u64,
    /// How many bytes there were of those that were more than was wanted.
    pub bytes: u64,
}

/// A file that was read to its end and closed, to save a descriptor until it changes.
#[derive(Debug)]
pub struct Dormant {
    /// The generation's serial.
    pub serial: u64,
    /// Which file it is.
    pub identity: FileIdentity,
    head: Head,
    end: u64,
    tip: Bytes,
    scanned: u64,
    size: u64,
    modified: SystemTime,
}

impl Dormant {
    /// Whether the file that `metadata` is of is this one, unchanged.
    pub fn is(&self, metadata: &Metadata) -> bool {
        let same = FileIdentity::of(metadata) == self.identity && metadata.len() == self.size;
        same && metadata.modified().is_ok_and(|modified| modified == self.modified)
    }

    /// Goes on in `file`, which has its identity.
    pub fn wake(self, file: File) -> HeldFile {
        let Dormant { serial, identity, head, end, tip, scanned, modified, .. } = self;
        HeldFile {
            serial,
            file: Arc::new(file),
            identity,
            head,
            end,
            tip,
            modified,
            quiet: false,
            scanned,
            reserved: None,
            passed: Passed::default(),
            vain_search: None,
        }
    }
}

/// Memory to read a block into, used again and again.
pub struct Block {
    bytes: Vec<u8>,
    /// What was a piece of a hot tail and is none any more.
    spare: Vec<Vec<u8>>,
}

impl Default for Block {
    fn default() -> Self {
        Block { bytes: vec![0; BLOCK_BYTES + TIP_BYTES_MAX], spare: Vec::new() }
    }
}

impl Block {
    /// The first `length` bytes, as they stand where that is most of the block; else a copy, so that little content keeps
    /// little memory.
    fn take(&mut self, length: usize) -> Bytes {
        if length < BLOCK_BYTES / 4 * 3 {
            return Bytes::copy_from_slice(&self.bytes[..length]);
        }
        let mut next = self.spare.pop().unwrap_or_default();
        next.resize(BLOCK_BYTES + TIP_BYTES_MAX, 0);
        let mut taken = std::mem::replace(&mut self.bytes, next);
        taken.truncate(length);
        taken.into()
    }

    /// Takes back memory that nobody reads any more, if it is worth it.
    pub fn take_back(&mut self, bytes: Bytes) {
        if bytes.len() >= BLOCK_BYTES / 2 && self.spare.len() < BLOCKS_MAX && bytes.is_unique() {
            self.spare.push(bytes.into());
        }
    }

    /// Gives back to the system what was not used again.
    pub fn forget_spare(&mut self) {
        self.spare = Vec::new();
    }
}

impl HeldFile {
    /// Takes over a file that was just opened. A small one counts as unread, a large one as read to its last record.
    ///
    /// # Errors
    /// What reading gives.
    pub fn open(file: File, identity: FileIdentity, serial: u64) -> Result<Self, Trouble> {
        let file = Arc::new(file);
        let mut content = Content::Plain(file.clone());
        let head = read_head(&mut content)?;
        let metadata = file.metadata()?;
        let (size, modified) = (metadata.len(), metadata.modified()?);
        let base = head.base;
        let large = size.saturating_sub(base) > HOT_START_BYTES_MAX;
        let end = if large { last_complete(&mut content, base, size)? } else { base };
        // What stands behind the last whole record may still be reserved space.
        let head = Head::new(base, head.bytes().slice_ref(head.bytes_at(end)));
        let tip = Bytes::new();
        let passed = Passed::default();
        let mut held = HeldFile {
            serial,
            file,
            identity,
            head,
            end,
            tip,
            modified,
            quiet: false,
            scanned: end,
            reserved: None,
            passed,
            vain_search: None,
        };
        held.tip = held.read_tip()?;
        Ok(held)
    }

    /// Takes over a file of which `known` tells how far it was read; `None` where it holds something else.
    ///
    /// # Errors
    /// What reading gives.
    pub fn known(file: File, serial: u64, known: &Generation) -> Result<Option<Self>, Trouble> {
        let Some(tip) = known.tip.clone() else { return Ok(None) };
        let modified = file.metadata()?.modified()?;
        let (head, end) = (known.head.clone(), known.end);
        let identity = known.identity;
        let held = HeldFile {
            serial,
            file: Arc::new(file),
            identity,
            head,
            end,
            tip,
            modified,
            quiet: false,
            scanned: end,
            reserved: None,
            passed: Passed::default(),
            vain_search: None,
        };
        let beginning = Content::Plain(held.file.clone()).read(held.head.base, held.head.bytes().len())?;
        let same = beginning == *held.head.bytes() && held.read_tip().is_ok_and(|tip| tip == held.tip);
        Ok(same.then_some(held))
    }

    /// Whether what `metadata` is of is this file, not written since it was read to its end.
    pub fn is_unchanged(&self, metadata: &Metadata) -> bool {
        let same = FileIdentity::of(metadata) == self.identity && metadata.len() == self.scanned && self.reserved.is_none();
        same && self.quiet && metadata.modified().is_ok_and(|modified| modified == self.modified)
    }

    /// Closes it; `None` where it was not read to its end, or a change might then not show, or it has no name any more by
    /// which it could be opened again.
    pub fn sleep(&self) -> Option<Dormant> {
        let metadata = self.file.metadata().ok()?;
        // Looked at after the time of the last write: what comes later changes that.
        let read = metadata.len() == self.scanned && self.read_tip().is_ok_and(|tip| tip == self.tip);
        if !read || self.reserved.is_some() || metadata.nlink() == 0 {
            return None;
        }
        Some(Dormant {
            serial: self.serial,
            identity: self.identity,
            head: self.head.clone(),
            end: self.end,
            tip: self.tip.clone(),
            scanned: self.scanned,
            size: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    }

    /// The records that were appended since, in order, and whether the end of the file was reached. Where more than
    /// `wanted` bytes were, the first of them are passed over.
    ///
    /// # Errors
    /// `Changed` where the file does not continue what was read of it; what reading gives.
    pub fn read_appended(&mut self, block: &mut Block, wanted: u64) -> Result<(Vec<Piece>, bool), Trouble> {
        let mut pieces = Vec::new();
        let metadata = self.file.metadata()?;
        self.modified = metadata.modified()?;
        self.quiet = is_quiet_since(self.modified);
        self.pass_over(metadata.len().saturating_sub(wanted), block)?;
        for _ in 0..BLOCKS_MAX {
            if self.end == self.head.base && !self.find_content()? {
                return Ok((pieces, true));
            }
            self.notice_filled()?;
            let at_end = if self.scanned - self.end > READ_BYTES as u64 {
                self.skip_long_record(block)?
            } else {
                let (piece, at_end) = self.read_block(block)?;
                pieces.extend(piece);
                at_end
            };
            if at_end {
                return Ok((pieces, true));
            }
        }
        Ok((pieces, false))
    }

    /// Takes what stands behind the last whole record as a record too: nobody will complete it.
    ///
    /// # Errors
    /// What reading gives.
    pub fn finish(&mut self) -> Result<Option<Piece>, Trouble> {
        let written = self.reserved.unwrap_or(self.scanned);
        if written <= self.end {
            return Ok(None);
        }
        let start = self.end;
        let first = self.head.tip_start(start);
        let bytes = Content::Plain(self.file.clone()).read(first, (written - first).min(BLOCK_BYTES as u64) as usize)?;
        self.grow_head(written)?;
        self.end = written;
        self.tip = self.read_tip()?;
        let whole = bytes.len() as u64 == self.end - first;
        Ok(whole.then(|| Piece { serial: self.serial, head: self.head.clone(), start, end: self.end, bytes: bytes.into() }))
    }

    /// Goes on at the new end of the file if it was only cut back to a whole record that was read before; `known` gives
    /// the tips that are remembered. Whether it was.
    ///
    /// # Errors
    /// What reading gives.
    pub fn cut_back(&mut self, known: impl Fn(u64) -> Option<Bytes>) -> Result<bool, Trouble> {
        let mut content = Content::Plain(self.file.clone());
        let (base, size) = (self.head.base, self.file.metadata()?.len());
        if size <= base {
            return Ok(false);
        }
        if size >= self.end {
            return self.written_over();
        }
        let end = last_complete(&mut content, base, size)?;
        let first = self.head.tip_start(end);
        let tip = Bytes::from(content.read(first, (end - first) as usize)?);
        let head = content.read(base, self.head.bytes_at(end).len())?;
        let same = end > base && head == self.head.bytes_at(end) && known(end).is_some_and(|known| known == tip);
        if same {
            self.head = Head::new(base, head.into());
            (self.end, self.scanned, self.tip, self.reserved) = (end, end, tip, None);
        }
        Ok(same)
    }

    /// Goes on behind what was read if only a part of one record of it was written over. What was truncated and has grown
    /// again differs in more.
    fn written_over(&mut self) -> Result<bool, Trouble> {
        let head = Content::Plain(self.file.clone()).read(self.head.base, self.head.bytes().len())?;
        let tip = self.read_tip()?;
        let same = |pair: &(&u8, &u8)| pair.0 == pair.1;
        let before = tip.iter().zip(&self.tip).take_while(same).count();
        let behind = tip.iter().rev().zip(self.tip.iter().rev()).take_while(same).count();
        let part = before..(tip.len() - behind).max(before);
        let within_record = !tip[part.clone()].contains(&b'\n') && !self.tip[part].contains(&b'\n');
        let over = head == *self.head.bytes() && is_strong(&[&head]) && within_record && before + behind > 0;
        if over {
            self.tip = tip;
        }
        Ok(over)
    }

    /// Goes on in `other` if that holds everything that was read so far.
    ///
    /// # Errors
    /// What reading gives.
    pub fn continues_in(&mut self, (file, identity): &(File, FileIdentity)) -> Result<bool, Trouble> {
        let file = Arc::new(file.try_clone()?);
        let mut content = Content::Plain(file.clone());
        let first = self.head.tip_start(self.end);
        let head = content.read(self.head.base, self.head.bytes().len())?;
        let tip = content.read(first, (self.end - first) as usize)?;
        let same = head == *self.head.bytes() && tip == *self.tip && is_strong(&[&head, &tip]);
        if same {
            (self.file, self.identity, self.scanned, self.reserved) = (file, *identity, self.end, None);
        }
        Ok(same)
    }

    /// Looks for the first byte that is not NUL: not again where nothing has changed, nor all the time in a file that is
    /// nothing else. Reserved space that is filled from its beginning on shows there.
    fn find_content(&mut self) -> Result<bool, Trouble> {
        let (began, size, mut first) = (Instant::now(), self.file.metadata()?.len(), [0]);
        read_at(&self.file, 0, &mut first)?;
        let is_known = |vain: &VainSearch| self.quiet && (vain.size, vain.modified) == (size, self.modified);
        if first == [0] && self.vain_search.is_some_and(|vain| is_known(&vain) || began < vain.again_at) {
            return Ok(false);
        }
        let head = read_head(&mut Content::Plain(self.file.clone()))?;
        if head.base != self.head.base {
            (self.end, self.scanned) = (head.base, head.base);
            self.head = Head::new(head.base, Bytes::new());
        }
        let (found, took) = (!head.bytes().is_empty(), began.elapsed());
        let pause = if took > VAIN_SEARCH { took * VAIN_SEARCH_PAUSE } else { Duration::ZERO };
        self.vain_search = (!found).then(|| VainSearch { size, modified: self.modified, again_at: began + took + pause });
        Ok(found)
    }

    fn read_block(&mut self, block: &mut Block) -> Result<(Option<Piece>, bool), Trouble> {
        let first = self.head.tip_start(self.end);
        let tip_bytes = (self.end - first) as usize;
        let read = read_at(&self.file, first, &mut block.bytes[..tip_bytes + BLOCK_BYTES])?;
        let bytes = &block.bytes[..read];
        self.verify(bytes, tip_bytes)?;
        let appended = &bytes[tip_bytes..];
        let at_end = appended.len() < BLOCK_BYTES;
        let whole = complete(appended);
        self.note_scanned(self.end, appended);
        if whole == 0 {
            return Ok((None, at_end));
        }
        let start = self.end;
        let bytes = block.take(tip_bytes + whole);
        self.end = start + whole as u64;
        self.grow_head(self.end)?;
        self.tip = bytes.slice((self.head.tip_start(self.end) - first) as usize..);
        // Its own small memory: a tip must not keep a whole block alive.
        self.tip = Bytes::copy_from_slice(&self.tip);
        Ok((Some(Piece { serial: self.serial, head: self.head.clone(), start, end: self.end, bytes }), at_end))
    }

    /// Goes on with the first record that begins behind `offset`, if that is not read yet. Not where no record ends soon
    /// behind it, which only reading tells the reason of.
    fn pass_over(&mut self, offset: u64, block: &mut Block) -> Result<(), Trouble> {
        if offset <= self.scanned || self.end == self.head.base || self.reserved.is_some() {
            return Ok(());
        }
        let (first, before) = (self.head.tip_start(self.end), self.end);
        let tip_bytes = (self.end - first) as usize;
        let read = read_at(&self.file, first, &mut block.bytes[..tip_bytes])?;
        self.verify(&block.bytes[..read], tip_bytes)?;
        let read = read_at(&self.file, offset, &mut block.bytes[..READ_BYTES])?;
        let Some(lf) = memchr(b'\n', &block.bytes[..read]) else { return Ok(()) };
        self.end = offset + lf as u64 + 1;
        self.grow_head(self.end)?;
        self.scanned = self.end;
        self.tip = self.read_tip()?;
        self.passed.bytes += self.end - before;
        Ok(())
    }

    /// Looks for the end of a record that is longer than a block, from where no LF was found on.
    fn skip_long_record(&mut self, block: &mut Block) -> Result<bool, Trouble> {
        let first = self.head.tip_start(self.end);
        let tip_bytes = (self.end - first) as usize;
        let read = read_at(&self.file, first, &mut block.bytes[..tip_bytes])?;
        self.verify(&block.bytes[..read], tip_bytes)?;
        let read = read_at(&self.file, self.scanned, &mut block.bytes[..BLOCK_BYTES])?;
        match memchr(b'\n', &block.bytes[..read]) {
            Some(lf) => {
                self.end = self.scanned + lf as u64 + 1;
                self.grow_head(self.end)?;
                self.scanned = self.end;
                self.tip = self.read_tip()?;
                self.passed.long_records += 1;
                Ok(false)
            }
            None => {
                self.note_scanned(self.scanned, &block.bytes[..read]);
                Ok(read < BLOCK_BYTES)
            }
        }
    }

    /// Notes that `bytes`, at the offset `at`, hold no LF behind the last whole record.
    fn note_scanned(&mut self, at: u64, bytes: &[u8]) {
        let nuls = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        self.scanned = at + bytes.len() as u64;
        self.reserved = match self.reserved {
            Some(before) if nuls == bytes.len() => Some(before),
            _ if nuls == 0 => None,
            _ => Some(self.scanned - nuls as u64),
        };
    }

    /// Looks again where reserved space began, once it is filled.
    fn notice_filled(&mut self) -> Result<(), Trouble> {
        if let Some(reserved) = self.reserved {
            let mut byte = [0];
            read_at(&self.file, reserved, &mut byte)?;
            if byte != [0] {
                (self.scanned, self.reserved) = (reserved.max(self.end), None);
            }
        }
        Ok(())
    }

    fn verify(&self, bytes: &[u8], tip_bytes: usize) -> Result<(), Trouble> {
        match bytes.get(..tip_bytes) {
            None => Err(Trouble::Changed(Reason::Truncated)),
            Some(tip) if *tip != self.tip => Err(Trouble::Changed(Reason::Rewritten)),
            Some(_) => Ok(()),
        }
    }

    /// Takes the content up to `end` into the head. What stands behind may still be reserved space.
    fn grow_head(&mut self, end: u64) -> Result<(), Trouble> {
        if self.head.is_full() {
            return Ok(());
        }
        let length = usize::try_from(end - self.head.base).unwrap_or(usize::MAX).min(HEAD_BYTES_MAX);
        let bytes = Content::Plain(self.file.clone()).read(self.head.base, length)?;
        let common = bytes.len().min(self.head.bytes().len());
        if bytes.len() < length || bytes[..common] != self.head.bytes()[..common] {
            return Err(Trouble::Changed(Reason::Rewritten));
        }
        self.head = Head::new(self.head.base, bytes.into());
        Ok(())
    }

    fn read_tip(&self) -> Result<Bytes, Trouble> {
        let first = self.head.tip_start(self.end);
        let tip = Content::Plain(self.file.clone()).read(first, (self.end - first) as usize)?;
        if tip.len() as u64 != self.end - first {
            return Err(Trouble::Changed(Reason::Truncated));
        }
        Ok(tip.into())
    }
}

/// What an error of the file system means to whoever operates the agent: the operation and the path in front.
pub fn sentence(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Gone => "the file is gone".into(),
        Trouble::Changed(_) => "the file changed while it was read".into(),
        Trouble::OverBudget => "unpacking it takes too long".into(),
        Trouble::NoRoom => "others have the memory that unpacking it takes".into(),
        Trouble::OutOfReach => "it can't be read without waiting".into(),
        Trouble::Unreadable(why) | Trouble::Damaged(why) | Trouble::Unfinished(why) => why.clone(),
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        io::Error::other(sentence(&trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    struct Grown {
        path: tempfile::TempPath,
        writer: File,
        held: HeldFile,
        block: Block,
    }

    impl Grown {
        fn new() -> Self {
            let file = tempfile::NamedTempFile::new().unwrap();
            let identity = FileIdentity::of(&file.as_file().metadata().unwrap());
            let held = HeldFile::open(file.reopen().unwrap(), identity, 1).unwrap();
            let writer = File::options().append(true).open(file.path()).unwrap();
            Grown { path: file.into_temp_path(), writer, held, block: Block::default() }
        }

        fn append(&mut self, bytes: &[u8]) -> Vec<u8> {
            self.writer.write_all(bytes).unwrap();
            let (pieces, at_end) = self.held.read_appended(&mut self.block, u64::MAX).unwrap();
            assert!(at_end);
            pieces.iter().flat_map(|piece| piece.records().to_vec()).collect()
        }
    }

    #[test]
    fn only_whole_records_are_read_and_a_half_one_when_it_is_whole() {
        let mut grown = Grown::new();
        assert_eq!(grown.append(b"one\ntw"), b"one\n");
        assert_eq!(grown.append(b""), b"");
        assert_eq!(grown.append(b"o\n"), b"two\n");
        assert_eq!(grown.append(b"end"), b"");
        let last = grown.held.finish().unwrap().unwrap();
        assert_eq!((last.records(), last.end), (&b"end"[..], 11));
    }

    #[test]
    fn a_record_longer_than_any_block_is_passed_over_in_constant_memory() {
        let mut grown = Grown::new();
        grown.append(b"first\n");
        let long = vec![b'x'; 3 * BLOCK_BYTES];
        assert_eq!(grown.append(&long), b"");
        assert_eq!(grown.append(b"\nlast\n"), b"last\n");
        assert_eq!(grown.held.end, 6 + long.len() as u64 + 1 + 5);
    }

    #[test]
    fn what_is_more_than_wanted_is_passed_over_to_the_next_record_and_counted() {
        let mut grown = Grown::new();
        grown.append(b"first\n");
        grown.writer.write_all(b"second\nthird\nfourth\nhal").unwrap();
        let (pieces, at_end) = grown.held.read_appended(&mut grown.block, 12).unwrap();
        assert_eq!((pieces.len(), pieces[0].records(), pieces[0].start, at_end), (1, &b"fourth\n"[..], 19, true));
        assert_eq!(grown.held.passed.bytes, 13);
        assert_eq!(grown.append(b"f\n"), b"half\n");
        grown.writer.set_len(0).unwrap();
        grown.writer.write_all(b"another life of this file\nfifth\nsixth\n").unwrap();
        let regrown = grown.held.read_appended(&mut grown.block, 8);
        assert!(matches!(regrown, Err(Trouble::Changed(Reason::Rewritten))));
    }

    #[test]
    fn a_file_that_was_cut_or_rewritten_is_found_out_even_at_the_same_size() {
        let mut grown = Grown::new();
        grown.append(b"first\nsecond\n");
        grown.writer.set_len(0).unwrap();
        let cut = grown.held.read_appended(&mut grown.block, u64::MAX);
        assert!(matches!(cut, Err(Trouble::Changed(Reason::Truncated))));
        grown.writer.write_all(b"FIRST\nSECOND\n").unwrap();
        let regrown = grown.held.read_appended(&mut grown.block, u64::MAX);
        assert!(matches!(regrown, Err(Trouble::Changed(Reason::Rewritten))));
    }

    #[test]
    fn reserved_space_at_the_end_is_not_content_until_it_is_written() {
        let mut grown = Grown::new();
        grown.append(b"first\n");
        grown.writer.set_len(6 + 3 * BLOCK_BYTES as u64).unwrap();
        assert_eq!(grown.append(b""), b"");
        grown.held.file = Arc::new(File::options().read(true).write(true).open(&grown.path).unwrap());
        grown.held.file.write_all_at(b"second\n", 6).unwrap();
        assert_eq!(grown.append(b""), b"second\n");
    }

    #[test]
    fn a_file_that_is_cut_back_to_a_record_goes_on_there() {
        let mut grown = Grown::new();
        grown.append(b"first\nsecond\nthird\n");
        grown.writer.set_len(15).unwrap();
        assert!(!grown.held.cut_back(|_| None).unwrap(), "what stood there is not remembered");
        assert!(grown.held.cut_back(|end| (end == 13).then(|| Bytes::from_static(b"first\nsecond\n"))).unwrap());
        grown.writer.set_len(13).unwrap();
        assert_eq!(grown.append(b"fourth\n"), b"fourth\n");
    }

    #[test]
    fn content_that_starts_behind_a_hole_is_found_when_it_is_written() {
        let grown = Grown::new();
        let mut held = grown.held;
        let file = tempfile::NamedTempFile::new().unwrap();
        held.file = Arc::new(file.reopen().unwrap());
        file.as_file().write_all_at(b"after\n", 10_000).unwrap();
        let (pieces, _) = held.read_appended(&mut Block::default(), u64::MAX).unwrap();
        assert_eq!((pieces[0].start, pieces[0].records()), (10_000, &b"after\n"[..]));
    }
}
