//! Whether anybody still waits for what a thread reads of files. Who asks may go while files are read and archives are
//! unpacked for it; then that ends, too.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody who waits; not any more when dropped.
#[derive(Debug, Default)]
pub struct Interest(Arc<AtomicBool>);

/// What is done for somebody who waits.
#[derive(Clone, Debug)]
pub struct Errand(Arc<AtomicBool>);

thread_local! {
    /// What this thread is doing, if that is for somebody.
    static ERRAND: RefCell<Option<Errand>> = const { RefCell::new(None) };
}

impl Interest {
    /// What is done for this one.
    pub fn errand(&self) -> Errand {
        Errand(self.0.clone())
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Errand {
    /// Does it: what this thread reads meanwhile fails once nobody waits any more.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let before = ERRAND.replace(Some(self));
        let done = work();
        ERRAND.set(before);
        done
    }
}

/// Whether somebody waits for what this thread does, or it does it of itself.
///
/// # Errors
/// `QuotaExceeded` where nobody does.
pub fn wanted() -> io::Result<()> {
    let given_up = ERRAND.with_borrow(|errand| errand.as_ref().is_some_and(|errand| errand.0.load(Ordering::Relaxed)));
    if given_up { Err(io::Error::new(io::ErrorKind::QuotaExceeded, "nobody waits for it any more")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_for_somebody_who_has_gone_fails_and_nothing_else() {
        let interest = Interest::default();
        interest.errand().run(|| assert!(wanted().is_ok()));
        let errand = interest.errand();
        drop(interest);
        errand.run(|| assert!(wanted().is_err()));
        assert!(wanted().is_ok());
    }
}
