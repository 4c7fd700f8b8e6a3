//! Where streams leave archives between two turns whose unpacking takes much memory: there is room for so many, whoever has
//! stood still for longest makes room for others, and where nobody has, others wait. Knows nothing of what is in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::content::Content;

/// How many archives streams may have open whose unpacking takes much memory.
pub const ARCHIVES_MAX: usize = 8;
/// How long a stream must have stood still to make room.
const STILL: Duration = Duration::from_secs(1);

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { taken: 0, left: Vec::new() });

struct Shelf {
    /// How many are in use.
    taken: usize,
    left: Vec<Left>,
}

struct Left {
    owner: u64,
    serial: u64,
    content: Content,
    since: Instant,
}

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to have one of them open; given back when dropped.
pub struct Room(());

impl Drop for Room {
    fn drop(&mut self) {
        shelf().taken -= 1;
    }
}

/// Somebody who leaves one of them here; what is left is let go of when dropped.
pub struct Owner(u64);

impl Owner {
    /// One more.
    pub fn another() -> Self {
        static OWNERS: AtomicU64 = AtomicU64::new(0);
        Owner(OWNERS.fetch_add(1, Ordering::Relaxed))
    }

    /// Room for one more; none where all are in use.
    pub fn room(&self) -> Option<Room> {
        let mut shelf = shelf();
        if shelf.taken + shelf.left.len() >= ARCHIVES_MAX {
            // The first was left first.
            shelf.left.first().filter(|left| left.since.elapsed() >= STILL)?;
            shelf.left.remove(0);
        }
        shelf.taken += 1;
        Some(Room(()))
    }

    /// Leaves the content of generation `serial` here.
    pub fn leave(&self, serial: u64, content: Content, room: Room) {
        // One after the other: its place is not free in between, but for a moment counted twice.
        shelf().left.push(Left { owner: self.0, serial, content, since: Instant::now() });
        drop(room);
    }

    /// Takes back the content of generation `serial`, if it is still here.
    pub fn take(&self, serial: u64) -> Option<(Content, Room)> {
        let mut shelf = shelf();
        let place = shelf.left.iter().position(|left| left.owner == self.0)?;
        let left = shelf.left.remove(place);
        if left.serial != serial {
            return None;
        }
        shelf.taken += 1;
        Some((left.content, Room(())))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        shelf().left.retain(|left| left.owner != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::Arc;

    #[test]
    fn there_is_room_for_so_many_and_whoever_stands_still_makes_room() {
        let content = || Content::Plain(Arc::new(File::open("/dev/null").unwrap()));
        let owners: Vec<Owner> = (0..ARCHIVES_MAX).map(|_| Owner::another()).collect();
        let mut rooms: Vec<Room> = owners.iter().map(|owner| owner.room().unwrap()).collect();
        let late = Owner::another();
        assert!(late.room().is_none());
        // Left here it takes room as well, and is there when its owner comes back.
        owners[0].leave(7, content(), rooms.pop().unwrap());
        assert!(late.room().is_none());
        let (_, room) = owners[0].take(7).unwrap();
        owners[0].leave(7, content(), room);
        shelf().left[0].since -= STILL;
        let room = late.room().unwrap();
        assert!(owners[0].take(7).is_none());
        drop(room);
        // Another file is not what was left.
        let room = owners[0].room().unwrap();
        owners[0].leave(7, content(), room);
        assert!(owners[0].take(8).is_none());
        drop((rooms, owners, late));
        assert!(shelf().taken == 0 && shelf().left.is_empty());
    }
}
