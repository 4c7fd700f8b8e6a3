//! Browsers that logged in: what their cookie stands for. In memory only; a restart logs everybody out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::secret::{Tag, draw};

/// How long a browser stays logged in.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 3600);
/// The most browsers that are logged in; one more takes the place of the one that is logged in longest.
pub const SESSIONS_MAX: usize = 1024;

/// The sessions that there are, by the tags of their cookies.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Tag, Session>>);

#[derive(Clone, Copy)]
struct Session {
    token: Tag,
    until: Instant,
}

impl Sessions {
    /// Begins a session of the token that this stands for. What the cookie is to say.
    pub fn begin(&self, token: Tag) -> String {
        let (secret, now) = (draw(), Instant::now());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.until).map(|(tag, _)| *tag)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(Tag::of(&secret), Session { token, until: now + SESSION_TIME });
        secret
    }

    /// What stands for the token that a browser with this cookie logged in with.
    pub fn token(&self, cookie: &str) -> Option<Tag> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Tag::of(cookie)).filter(|session| session.until > Instant::now()).map(|session| session.token)
    }

    /// Ends the session of a cookie.
    pub fn end(&self, cookie: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Tag::of(cookie));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let now = Instant::now();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().filter(|session| session.until > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_cookie_until_it_ends_and_there_are_no_more_than_may_be() {
        let (sessions, token) = (Sessions::default(), Tag::of("token"));
        let first = sessions.begin(token);
        assert_eq!((sessions.token(&first), sessions.token("other"), first.len()), (Some(token), None, 64));
        sessions.end(&first);
        assert_eq!((sessions.token(&first), sessions.count()), (None, 0));
        let cookies: Vec<String> = (0..=SESSIONS_MAX).map(|_| sessions.begin(token)).collect();
        assert_eq!(sessions.count(), SESSIONS_MAX);
        assert_eq!((sessions.token(&cookies[0]), sessions.token(&cookies[SESSIONS_MAX])), (None, Some(token)));
    }
}
