//! The history of several logs in the order of the times in their records. Holds what was read ahead of each log, and says
//! which comes next; reads nothing itself.

use jiff::Timestamp;

use crate::source::catalog::Log;
use crate::source::split::lines;
use crate::source::tail::Piece;

/// What was read ahead of the logs of a stream, by their index.
#[derive(Default)]
pub struct Merge {
    ahead: Vec<Ahead>,
}

#[derive(Default)]
struct Ahead {
    piece: Option<Piece>,
    /// The time of the record that is given next; of the one before, or of the file, where that carries none.
    next: Option<Timestamp>,
    /// The time of its first line, where that only ends the record that is given next.
    opens: Option<Option<Timestamp>>,
}

/// The time that the line of a generation carries.
pub type TimeOf<'a> = dyn Fn(&Log, u64, &[u8]) -> Option<Timestamp> + 'a;

impl Merge {
    /// Whether there is nothing of log `index` ahead.
    pub fn lacks(&mut self, index: usize) -> bool {
        self.ahead.resize_with(self.ahead.len().max(index + 1), Ahead::default);
        self.ahead[index].piece.is_none()
    }

    /// Takes what was read of log `index`: `modified` is when its file was last written, and where its lines are joined a
    /// record is given when the line after it comes.
    pub fn put(
        &mut self,
        index: usize,
        log: &Log,
        piece: Piece,
        (modified, joins): (Option<Timestamp>, bool),
        time_of: &TimeOf<'_>,
    ) {
        let ahead = &mut self.ahead[index];
        let first = lines(piece.records(), piece.start, usize::MAX).next();
        let time =
            first.and_then(|line| time_of(log, piece.serial, line.known)).or(ahead.opens.flatten()).or(ahead.next).or(modified);
        ahead.next = if joins { ahead.opens.flatten() } else { time };
        ahead.opens = joins.then_some(time);
        ahead.piece = Some(piece);
    }

    /// The log whose turn it is.
    pub fn first(&self) -> Option<usize> {
        let waiting = self.ahead.iter().enumerate().filter(|(_, ahead)| ahead.piece.is_some());
        waiting.min_by_key(|(index, ahead)| (ahead.next, *index)).map(|(index, _)| index)
    }

    /// Takes the lines of log `index` that give records which come before any other log's; at least one.
    pub fn take(&mut self, index: usize, log: &Log, time_of: &TimeOf<'_>) -> Option<Piece> {
        let others = self.ahead.iter().enumerate().filter(|(other, ahead)| *other != index && ahead.piece.is_some());
        let bound = others.map(|(other, ahead)| (ahead.next, other)).min();
        let ahead = &mut self.ahead[index];
        let piece = ahead.piece.take()?;
        let Some(bound) = bound else { return Some(piece) };
        let mut taken = None;
        for line in lines(piece.records(), piece.start, usize::MAX).skip(1) {
            let time = time_of(log, piece.serial, line.known);
            match &mut ahead.opens {
                // This line ends the record of the line before it, and opens its own.
                Some(opens) => {
                    ahead.next = *opens;
                    *opens = time.or(*opens);
                }
                None => ahead.next = time.or(ahead.next),
            }
            if (ahead.next, index) > bound {
                taken = Some(line.start);
                break;
            }
        }
        let Some(offset) = taken else { return Some(piece) };
        let (taken, left) = piece.split_at(offset);
        ahead.piece = Some(left);
        Some(taken)
    }
}
