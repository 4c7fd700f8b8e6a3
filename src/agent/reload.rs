//! SIGHUP: reads the config again and takes it over while streams go on. Tokens and certificates are read again whenever
//! their files change. What is wrong changes nothing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::manager::Manager;
use super::memory::Budget;
use super::voice::Voice;
use super::{following, manners, ruling, warn_of_weak};
use crate::config::credentials::Stamps;
use crate::config::{Config, unguarded};
use crate::http::Manners;
use crate::source::follow::Follower;
use crate::subscriber::Feed;
use crate::subscriber::grant::Grant;

/// How often files of tokens and certificates are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The running parts that can be told something else.
pub struct Parts<'a> {
    /// Follows the logs.
    pub follower: &'a Follower,
    /// Serves them.
    pub feed: &'a Feed,
    /// How the server behaves.
    pub manners: watch::Sender<Arc<Manners>>,
    /// Where other machines may reach it, if they may anywhere.
    pub exposed: Option<String>,
    /// Our own log.
    pub voice: Voice,
    /// How many files of logs stay open.
    pub log_files_max: usize,
    /// How memory is shared out.
    pub budget: Budget,
}

/// Waits for SIGHUP.
pub struct Reloader<'a> {
    parts: Parts<'a>,
    manager: &'a Manager,
    /// What holds now.
    config: Config,
    /// How its files of tokens and certificates were when they were looked at last.
    seen: Stamps,
    /// The number of its first pattern.
    first: usize,
    /// Whether it could not be taken over as it was read last.
    is_refused: bool,
}

impl<'a> Reloader<'a> {
    /// With the config that holds.
    pub fn new(config: Config, parts: Parts<'a>, manager: &'a Manager) -> Self {
        let seen = config.stamps.clone();
        Reloader { parts, manager, config, seen, first: 0, is_refused: false }
    }

    /// Reads the config by `again` at every SIGHUP. Ends at one if there is no file to read: then it means what it means
    /// to other programs.
    pub async fn run(mut self, hangup: io::Result<Signal>, again: impl Fn() -> Result<Config, String>) {
        let Ok(mut hangup) = hangup else { return std::future::pending().await };
        loop {
            let heard = tokio::select! {
                heard = hangup.recv() => heard,
                () = sleep(LOOK_AGAIN), if !self.config.credentials.is_none() => {
                    self.look_at_credentials();
                    continue;
                }
            };
            if heard.is_none() {
                return std::future::pending().await;
            }
            if !self.config.is_from_files {
                info!("SIGHUP, and no config file to read again: ending all streams");
                return;
            }
            self.manager.reloading();
            let taken = match again() {
                Ok(config) => self.take_over(config).await,
                Err(why) => Err(why),
            };
            self.is_refused = taken.is_err();
            if let Err(why) = taken {
                self.refuse(&why, "the config is wrong: everything stays as it was");
            }
            self.manager.ready(&self.parts.feed.summary());
        }
    }

    /// Reads tokens and certificates again, if their files have changed and do so no more.
    fn look_at_credentials(&mut self) {
        let now = self.config.credentials.stamps();
        let is_settled = std::mem::replace(&mut self.seen, now.clone()) == now;
        if now == self.config.stamps || !is_settled {
            return;
        }
        self.config.stamps = now;
        match self.config.credentials.read() {
            Ok(credentials) => {
                if let (Some(shown), Some(new)) = (&self.config.tls, &credentials.tls) {
                    shown.show(new);
                }
                self.config.tokens = credentials.tokens;
                let mut now = manners(&self.config, self.parts.log_files_max, self.parts.budget);
                now.config_read = self.parts.manners.borrow().config_read;
                now.config_is_good = !self.is_refused;
                self.parts.manners.send_replace(Arc::new(now));
                // Said when it holds.
                info!(tokens = self.config.tokens.len(), "tokens and certificates were read again");
                warn_of_weak(&self.config.tokens);
            }
            Err(why) => self.refuse(&why, "tokens or certificates are wrong: everything stays as it was"),
        }
    }

    fn refuse(&self, why: &str, what: &str) {
        let why = why.trim_start_matches("error: ").trim_end().replace('\n', " ");
        error!(why, "{what}");
        self.parts.manners.send_modify(|now| *now = Arc::new(Manners { config_is_good: false, ..Manners::clone(now) }));
    }

    /// The rules first, so that no log is served under others than its own; then the logs.
    ///
    /// # Errors
    /// Where anybody could read from elsewhere then: what needs a restart stays as it is, and so does where we listen.
    async fn take_over(&mut self, config: Config) -> Result<(), String> {
        let fixed = config.fixed().into_iter().zip(self.config.fixed());
        let changed: Vec<&str> = fixed.filter(|(new, now)| new.1 != now.1).map(|(new, _)| new.0).collect();
        let renewed = config.tls.clone();
        // It is told again the next time.
        let config = config.with_fixed(&self.config);
        let Parts { follower, feed, manners: sender, exposed, voice, log_files_max, budget } = &self.parts;
        if let Some(address) = exposed.as_ref().filter(|_| config.lets_anybody_in()) {
            return Err(unguarded(address));
        }
        let first = self.first + self.config.logs.len();
        feed.rule(ruling(&config, first));
        follower.follow_instead(config.logs.clone(), following(&config, *log_files_max, *budget));
        feed.look().await;
        feed.logs_changed(first);
        sender.send_replace(Arc::new(manners(&config, *log_files_max, *budget)));
        if let (Some(shown), Some(new)) = (&config.tls, &renewed) {
            shown.show(new);
        }
        voice.set_level(config.log_level);
        if !changed.is_empty() {
            warn!(
                keys = changed.join(", "),
                "these have changed in the config and need a restart; until then they stay as they were"
            );
        }
        info!(logs = feed.logs(&Grant::default()).len(), "the config was read again");
        (self.config, self.first) = (config, first);
        Ok(())
    }
}
