//! Wrong tokens, by the address that sent them: after some nothing more is taken from there for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::peer::neighbourhood;

/// How many wrong tokens an address may send within [`FAILURES_SPAN`].
pub const FAILURES_MAX: u32 = 10;
/// How long wrong tokens count.
pub const FAILURES_SPAN: Duration = Duration::from_secs(60);
/// Of how many addresses it is remembered.
pub const ADDRESSES_MAX: usize = 4096;

/// Who sent wrong tokens lately. Clients on Unix sockets are one.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<Option<IpAddr>, Spell>>);

#[derive(Clone, Copy)]
struct Spell {
    began: Instant,
    count: u32,
}

impl Failures {
    /// How long nothing is taken from this address, if that is so.
    pub fn pause(&self, address: Option<IpAddr>) -> Option<Duration> {
        let spells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spell = spells.get(&address.map(neighbourhood)).filter(|spell| spell.count >= FAILURES_MAX)?;
        FAILURES_SPAN.checked_sub(spell.began.elapsed())
    }

    /// Notes that a wrong token came from there.
    pub fn note(&self, address: Option<IpAddr>) {
        let mut spells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = |spell: &Spell| now.duration_since(spell.began) < FAILURES_SPAN;
        if spells.len() >= ADDRESSES_MAX {
            spells.retain(|_, spell| fresh(spell));
        }
        if spells.len() >= ADDRESSES_MAX
            && let Some(oldest) = spells.iter().min_by_key(|(_, spell)| spell.began).map(|(address, _)| *address)
        {
            spells.remove(&oldest);
        }
        let spell = spells.entry(address.map(neighbourhood)).or_insert(Spell { began: now, count: 0 });
        if !fresh(spell) {
            *spell = Spell { began: now, count: 0 };
        }
        spell.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let failures = Failures::default();
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.pause(address("2001:db8::1")), None);
            failures.note(address("2001:db8::1"));
        }
        assert!(failures.pause(address("2001:db8::ffff")).is_some_and(|pause| pause <= FAILURES_SPAN), "the same network");
        assert_eq!((failures.pause(address("2001:db8:0:1::1")), failures.pause(None)), (None, None));
        for number in 0..2 * ADDRESSES_MAX as u32 {
            failures.note(Some(IpAddr::V4(number.into())));
        }
        assert!(failures.0.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
