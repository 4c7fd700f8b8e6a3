//! Browsers that logged in: what their cookie stands for. In memory only; a restart logs everybody out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::secret::{Tag, draw};

/// How long a browser stays logged in.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 3600);
/// The most browsers that are logged in; one more takes the place of the one that is logged in longest.
pub const SESSIONS_MAX: usize = 1024;

/// The sessions that there are, by the tags of their cookies.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Tag, Session>>);

struct Session {
    token: Tag,
    until: Instant,
    /// Whoever watches it learns that it ended when this is dropped.
    life: watch::Sender<()>,
}

/// A session that goes on as long as its browser is logged in.
#[derive(Clone, Debug)]
pub struct Login {
    /// What stands for the token that the browser logged in with.
    pub token: Tag,
    until: Instant,
    life: watch::Receiver<()>,
}

impl Login {
    /// Whether it ended: it was left, is too old, or had to make room.
    pub fn is_over(&self) -> bool {
        self.life.has_changed().is_err() || Instant::now() >= self.until
    }

    /// Waits until it ends.
    pub async fn over(&mut self) {
        let until = self.until.into();
        tokio::select! {
            _ = self.life.changed() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

impl Sessions {
    /// Begins a session of the token that this stands for. What the cookie is to say.
    pub fn begin(&self, token: Tag) -> String {
        self.begin_at(token, Instant::now())
    }

    fn begin_at(&self, token: Tag, now: Instant) -> String {
        let secret = draw();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.until).map(|(tag, _)| *tag)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(Tag::of(&secret), Session { token, until: now + SESSION_TIME, life: watch::Sender::new(()) });
        secret
    }

    /// The session of the browser with this cookie.
    pub fn login(&self, cookie: &str) -> Option<Login> {
        self.login_at(cookie, Instant::now())
    }

    fn login_at(&self, cookie: &str, now: Instant) -> Option<Login> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Tag::of(cookie)).filter(|session| session.until > now).map(|session| Login {
            token: session.token,
            until: session.until,
            life: session.life.subscribe(),
        })
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
        let known = |cookie: &str| sessions.login(cookie).map(|login| login.token);
        let first = sessions.begin(token);
        assert_eq!((known(&first), known("other"), first.len()), (Some(token), None, 64));
        let login = sessions.login(&first).unwrap();
        assert!(!login.is_over());
        sessions.end(&first);
        assert!(login.is_over());
        assert_eq!((known(&first), sessions.count()), (None, 0));
        let cookies: Vec<String> = (0..=SESSIONS_MAX).map(|_| sessions.begin(token)).collect();
        assert_eq!(sessions.count(), SESSIONS_MAX);
        assert_eq!((known(&cookies[0]), known(&cookies[SESSIONS_MAX])), (None, Some(token)));
    }

    #[test]
    fn a_session_is_over_when_its_time_is() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let cookie = sessions.begin_at(Tag::of("token"), now);
        assert!(sessions.login_at(&cookie, now + SESSION_TIME - Duration::from_millis(1)).is_some());
        assert!(sessions.login_at(&cookie, now + SESSION_TIME).is_none());
    }
}
