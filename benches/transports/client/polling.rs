//! Polling and long polling: one request after another, each says after which id. The answers are event streams that end,
//! so that the events are to the byte those of the other transports.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, hello};
use crate::event::Event;
use crate::http::Http;
use crate::wire::Target;

/// A client that asks again and again.
pub struct Polling {
    http: Http,
    id: String,
    pace: Pace,
    /// Whether an answer is being read.
    answering: bool,
    patience: Duration,
}

/// When to ask for what.
enum Pace {
    /// For what is new, at this time and then every so often.
    Every { interval: Duration, due: Instant },
    /// For one record, as long as it takes, if `waits`; then for what else there is.
    Long { waits: bool },
}

impl Polling {
    /// Polls every `interval`, or by requests that wait.
    pub fn open(target: &Target, after: Option<&str>, interval: Option<Duration>) -> io::Result<(Self, String)> {
        let pace = match interval {
            Some(interval) => Pace::Every { interval, due: Instant::now() + interval },
            None => Pace::Long { waits: false },
        };
        let id = after.unwrap_or_default().to_owned();
        let mut polling = Polling { http: Http::connect(target)?, id, pace, answering: false, patience: target.patience };
        polling.ask("follow=false")?;
        if polling.answering {
            polling.id = hello(Event::read(&mut polling.http)?, after)?;
        }
        let id = polling.id.clone();
        Ok((polling, id))
    }

    fn ask(&mut self, what: &str) -> io::Result<()> {
        let path = format!("/events?{what}&after={}", self.id);
        self.answering = match self.http.get(&path, "Accept: text/event-stream\r\n")? {
            200 => true,
            204 => false,
            status => return Err(io::Error::other(format!("{status} instead of 200 or 204"))),
        };
        Ok(())
    }

    /// Asks once more, when it is time to.
    fn ask_again(&mut self) -> io::Result<()> {
        match &mut self.pace {
            Pace::Every { interval, due } => {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                *due += *interval;
                self.ask("follow=false")
            }
            Pace::Long { waits } => {
                *waits = !*waits;
                let what = if *waits { "limit=1" } else { "follow=false" };
                self.ask(what)
            }
        }
    }
}

impl Client for Polling {
    fn next(&mut self) -> io::Result<Event> {
        let asked = Instant::now();
        loop {
            let event = if self.answering { Event::read(&mut self.http)? } else { None };
            match event {
                Some(event) => {
                    self.id.clone_from(&event.id);
                    if event.is_record()? {
                        return Ok(event);
                    }
                }
                None if asked.elapsed() > self.patience => return Err(ErrorKind::TimedOut.into()),
                None => self.ask_again()?,
            }
        }
    }
}
