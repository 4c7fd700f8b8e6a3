//! The follower: the one writer of the catalog. Finds logs, and looks at every one when something rang or its time has
//! come. One thread; never knows who reads.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::append::{Block, HOT_START_BYTES_MAX};
use super::catalog::{Log, Logs, Problem};
use super::container;
use super::folder::{Folders, NamesAsOf, names_as_of};
use super::followed::{Followed, Kit};
use super::identity::FileIdentity;
use super::links::{Links, real_path};
use super::pattern::{Found, LogPattern};
use super::watch::{Alarm, Rung, Watch, WatchMode};
use crate::position::SourceId;

/// How many replaced files of a log are held open at most.
pub const REPLACED_MAX: usize = 32;

/// How the follower goes about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How changes are learnt of.
    pub watch: WatchMode,
    /// Bytes of memory for the newest records of all logs together.
    pub hot_tail_bytes: usize,
    /// How long a replaced file stays open.
    pub hold_time: Duration,
    /// How far symbolic links may lead.
    pub links: Links,
    /// How many bytes of deleted files are kept from being freed because they are held open, of all logs together.
    pub hold_bytes: u64,
    /// How many files of logs stay open. Beyond that those that changed longest ago are closed, and opened again when
    /// they change.
    pub open_files_max: usize,
}

/// How long after a change a log is looked at often.
const HOT: Duration = Duration::from_secs(2);
/// How often it is looked at then, if changes ring, and if not.
const HOT_NOTIFIED: Duration = Duration::from_millis(100);
const HOT_POLLED: Duration = Duration::from_millis(20);
/// How long after that a log by polling is looked at more often than names are.
const WARM: Duration = Duration::from_secs(60);
/// The least time between two looks, so that a busy writer's lines are gathered.
const PACE: Duration = Duration::from_millis(2);
/// The most time between two looks at a log that is written: one that nobody reads and that grows faster than what is kept
/// of it, or one whose readers are not to be woken yet.
const REST_MAX: Duration = Duration::from_millis(20);
/// How long a request for a look waits for a busy log to be read to its end.
const ANSWER: Duration = Duration::from_secs(1);
/// How often names are looked at without a notification.
const SCAN: Duration = Duration::from_secs(1);
/// How much longer than it took the next look at everything is put off, where only names rang: a rotation of one log must
/// not cost what ten thousand do.
const NAMES_PAUSE: u32 = 8;
/// How long it is believed that no name has changed where no folder has.
const NAMES_KEPT: Duration = Duration::from_secs(10);

/// A running follower; ends when dropped.
#[derive(Debug)]
pub struct Follower {
    alarm: Alarm,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be followed from now on, and how.
struct Order {
    patterns: Vec<LogPattern>,
    settings: Settings,
}

impl Follower {
    /// Follows what `patterns` mean from the next look on; how changes are learnt of stays as it is. The patterns are
    /// numbered on from those of before.
    pub fn follow_instead(&self, patterns: Vec<LogPattern>, settings: Settings) {
        // Its thread ends only with this.
        let _ = self.orders.send(Order { patterns, settings });
        self.alarm.ask([]);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.alarm.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed already.
            let _ = thread.join();
        }
    }
}

/// Starts to follow the logs that `patterns` mean.
///
/// # Errors
/// Where no thread can be started.
pub fn follow(patterns: Vec<LogPattern>, settings: Settings) -> std::io::Result<(Logs, Follower)> {
    let alarm = Alarm::default();
    let logs = Logs::new(alarm.clone());
    let (orders, ordered) = mpsc::channel();
    let mut rounds = Rounds {
        alarm: alarm.clone(),
        ordered,
        first: 0,
        is_adding: false,
        patterns,
        logs: logs.clone(),
        watched: Vec::new(),
        awake: Vec::new(),
        by_path: HashMap::new(),
        names: Names { folders: Vec::new(), until: Instant::now() },
        open_files: 0,
        hot_bytes: 0,
        changed: Vec::new(),
        announced: Instant::now(),
        kit: Kit {
            watch: Watch::new(settings.watch, alarm.clone()),
            settings,
            serial: 0,
            block: Block::default(),
            wanted: u64::MAX,
            folders: Folders::default(),
            moved_home: false,
        },
    };
    let thread = std::thread::Builder::new().name("follow".into()).spawn(move || rounds.run())?;
    Ok((logs, Follower { alarm, orders, thread: Some(thread) }))
}

/// A log, and when to look at it next.
struct Watched {
    followed: Followed,
    /// Whether it has changed since that was last announced.
    changed: bool,
    /// How many bytes of it are in the hot tail.
    hot_bytes: usize,
    /// When it is looked at next; `None`: when all are.
    due: Option<Instant>,
    /// Until when what is written to it is no reason for a look.
    rests_until: Instant,
    hot_until: Instant,
}

struct Rounds {
    alarm: Alarm,
    ordered: Receiver<Order>,
    patterns: Vec<LogPattern>,
    /// The number of the first pattern.
    first: usize,
    /// Whether logs that are found now were named by an order: what they hold already is not news.
    is_adding: bool,
    logs: Logs,
    watched: Vec<Watched>,
    /// Those that are looked at before all are, by their index.
    awake: Vec<usize>,
    by_path: HashMap<PathBuf, Vec<usize>>,
    names: Names,
    /// How many files of logs are open.
    open_files: usize,
    /// How many bytes of all logs are in the hot tail.
    hot_bytes: usize,
    /// Which have changed since that was last announced, by their index, and when that was.
    changed: Vec<usize>,
    announced: Instant,
    kit: Kit,
}

/// The folders in which names were looked for, as they were before that, and until when it is believed that names are the
/// same while they are.
struct Names {
    folders: Vec<(PathBuf, Option<NamesAsOf>)>,
    until: Instant,
}

impl Names {
    fn are_same(&self) -> bool {
        let is_same = |(folder, then): &(PathBuf, Option<NamesAsOf>)| then.is_some() && names_as_of(folder) == *then;
        Instant::now() < self.until && self.folders.iter().all(is_same)
    }
}

impl Rounds {
    fn run(&mut self) {
        let (mut scan_due, mut names_due) = (Instant::now(), Instant::now());
        let mut rung = Rung { all: true, ..Rung::default() };
        let (mut names_rang, mut looked, mut answered, mut asked_at) = (false, 0, 0, Instant::now());
        loop {
            let started = Instant::now();
            self.logs.note_turn();
            self.kit.wanted = if self.logs.are_read() { u64::MAX } else { HOT_START_BYTES_MAX };
            while let Ok(order) = self.ordered.try_recv() {
                self.obey(order);
            }
            names_rang |= rung.names;
            let all = rung.all || rung.asked > looked || started >= scan_due || (names_rang && started >= names_due);
            if all {
                self.scan();
                self.is_adding = false;
                self.hold_within_limit();
                self.kit.folders.forget_unused();
                self.kit.block.forget_spare();
                scan_due = Instant::now() + SCAN;
            }
            self.hear(&rung, started);
            self.look(all, started);
            if all {
                (names_rang, looked) = (false, rung.asked);
                names_due = Instant::now() + started.elapsed() * NAMES_PAUSE;
            }
            self.shed();
            self.announce(started);
            // Whoever asked is answered when all that was there then has been read, unless that takes too long.
            if !self.awake.iter().any(|&index| self.watched[index].followed.behind) || asked_at.elapsed() > ANSWER {
                answered = looked;
                self.logs.announce_answered(answered);
            }
            let due = self.awake.iter().filter_map(|&index| self.watched[index].due);
            let announcement = (!self.changed.is_empty()).then(|| self.announced + self.logs.pace());
            let next = due.chain(announcement).chain(names_rang.then_some(names_due)).fold(scan_due, Instant::min);
            let before = rung.asked;
            rung = self.alarm.wait(next, before);
            if rung.asked > before && before == answered {
                asked_at = Instant::now();
            }
            if rung.stop {
                return;
            }
            // The first change after a pause is read at once, those that follow are gathered: until somebody is to be woken.
            let until = if next > started { next.min(started + PACE) } else { started + PACE };
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Follows what the order says; logs that it does not mean are let go of.
    fn obey(&mut self, Order { patterns, settings }: Order) {
        let first = self.first + self.patterns.len();
        let found: HashSet<Found> = patterns.iter().flat_map(LogPattern::expand).collect();
        let watched = std::mem::take(&mut self.watched);
        let (kept, gone): (Vec<_>, Vec<_>) =
            watched.into_iter().partition(|Watched { followed: Followed { log, .. }, .. }| {
                let before = log.pattern().checked_sub(self.first).and_then(|number| self.patterns.get(number));
                match before.and_then(|before| patterns.iter().position(|pattern| pattern.is(before))) {
                    Some(number) => {
                        log.set_pattern(first + number);
                        true
                    }
                    None => found.contains(&Found { name: log.name.to_string(), path: log.path() }),
                }
            });
        for Watched { followed, hot_bytes, .. } in gone {
            info!(log = &*followed.log.name, "no longer followed");
            self.open_files -= followed.open_files();
            self.hot_bytes -= hot_bytes;
            self.logs.remove(&followed.log.name);
            followed.log.announce();
        }
        (self.watched, self.patterns, self.first, self.is_adding) = (kept, patterns, first, true);
        self.kit.settings = settings;
        self.names.until = Instant::now();
        self.renumber();
        self.logs.announce_moves();
    }

    /// Says anew by their index which logs are to be looked at and which have changed, after some were let go of.
    fn renumber(&mut self) {
        let those = |is: fn(&Watched) -> bool| (0..self.watched.len()).filter(|&index| is(&self.watched[index])).collect();
        (self.awake, self.changed) = (those(|watched| watched.due.is_some()), those(|watched| watched.changed));
    }

    /// Wakes who waits for logs that have changed, if they were not woken just before `now`.
    fn announce(&mut self, now: Instant) {
        if self.changed.is_empty() || now < self.announced + self.logs.pace() {
            return;
        }
        self.announced = now;
        for index in self.changed.drain(..) {
            let watched = &mut self.watched[index];
            watched.changed = false;
            watched.followed.log.announce();
        }
        self.logs.announce_moves();
    }

    /// Makes due what rang.
    fn hear(&mut self, rung: &Rung, now: Instant) {
        self.kit.watch.hear(rung);
        if rung.deaf {
            self.watched.iter_mut().for_each(|watched| watched.followed.removals = usize::MAX);
        }
        for path in &rung.paths {
            for &index in self.by_path.get(path).into_iter().flatten() {
                let watched = &mut self.watched[index];
                let removed = rung.removed.get(path).copied().unwrap_or(0);
                let due = if removed > 0 { now } else { now.max(watched.rests_until) };
                match &mut watched.due {
                    Some(already) => *already = due.min(*already),
                    none => {
                        *none = Some(due);
                        self.awake.push(index);
                    }
                }
                if *path == watched.followed.home.live {
                    watched.followed.removals = watched.followed.removals.saturating_add(removed);
                }
            }
        }
    }

    /// Looks at the logs that are due, or at all.
    fn look(&mut self, all: bool, now: Instant) {
        self.kit.folders.begin_round();
        let awake = std::mem::take(&mut self.awake);
        for index in if all { (0..self.watched.len()).collect() } else { awake } {
            if all || self.watched[index].due.is_some_and(|due| due <= now) {
                self.look_at(index, now);
            }
            if self.watched[index].due.is_some() {
                self.awake.push(index);
            }
        }
    }

    fn look_at(&mut self, index: usize, now: Instant) {
        let count = self.watched.len();
        let watched = &mut self.watched[index];
        let before = watched.followed.open_files();
        self.logs.note_turn();
        let moved = watched.followed.look(&mut self.kit, now);
        if watched.followed.log.take_changed() || moved {
            self.hot_bytes = self.hot_bytes.saturating_add_signed(watched.count_hot_bytes());
            if !std::mem::replace(&mut watched.changed, true) {
                self.changed.push(index);
            }
        }
        if moved {
            watched.hot_until = now + HOT;
        }
        let pace = self.logs.pace();
        watched.rests_until = match self.announced + pace {
            _ if watched.followed.passed_over => now + REST_MAX,
            // What comes before anybody is woken again is read then, all at once.
            next if next > now => next.min(now + REST_MAX),
            _ => now + pace.min(REST_MAX),
        };
        let notified = watched.followed.home.live.parent().is_some_and(|folder| self.kit.watch.covers(folder));
        watched.due = match () {
            () if watched.followed.behind => Some(now),
            () if now < watched.hot_until => Some(now + if notified { HOT_NOTIFIED } else { HOT_POLLED }),
            () if !notified && now < watched.hot_until + WARM && warm_tick(count) < SCAN => Some(now + warm_tick(count)),
            // With the names: one awakening for all that is quiet.
            () => None,
        };
        self.open_files = self.open_files + watched.followed.open_files() - before;
        self.close_surplus();
    }

    /// Closes the files that changed longest ago, where more are open than may be; some more, so that it is not done again
    /// at once.
    fn close_surplus(&mut self) {
        let max = self.kit.settings.open_files_max;
        if self.open_files <= max {
            return;
        }
        let mut coldest: Vec<usize> = (0..self.watched.len()).collect();
        coldest.sort_by_key(|&index| self.watched[index].hot_until);
        for index in coldest {
            let followed = &mut self.watched[index].followed;
            let before = followed.open_files();
            followed.sleep();
            self.open_files -= before - followed.open_files();
            if self.open_files <= max - max / 8 {
                return;
            }
        }
    }

    /// Lets go of deleted files while they take more space than may be, the one that was replaced first before the others.
    fn hold_within_limit(&mut self) {
        let max = self.kit.settings.hold_bytes;
        while self.watched.iter().map(|watched| watched.followed.held_bytes().0).sum::<u64>() > max {
            let costly = self.watched.iter_mut().filter(|watched| watched.followed.held_bytes().0 > 0);
            let Some(oldest) = costly.min_by_key(|watched| watched.followed.held_bytes().1) else { return };
            let before = oldest.followed.open_files();
            oldest.followed.let_go_of_oldest(&mut self.kit);
            self.open_files -= before - oldest.followed.open_files();
        }
    }

    /// Looks at names: new logs, and the folders to watch.
    fn scan(&mut self) {
        if !std::mem::take(&mut self.kit.moved_home) && self.names.are_same() {
            return;
        }
        let mut folders: HashSet<PathBuf> = self.patterns.iter().flat_map(LogPattern::directories).collect();
        self.names.folders = folders.iter().map(|folder| (folder.clone(), names_as_of(folder))).collect();
        let expand = |(pattern, meant): (usize, &LogPattern)| meant.expand().into_iter().map(move |found| (found, pattern));
        let found: Vec<(Found, usize)> = self.patterns.iter().enumerate().flat_map(expand).collect();
        self.forget_never_begun(&found);
        let fits_none = |number: &usize| found.iter().all(|(_, pattern)| pattern != number);
        let unmatched = (0..self.patterns.len()).filter(fits_none).map(|number| &self.patterns[number].pattern);
        self.logs.set_unmatched(unmatched.map(|pattern| pattern.display().to_string()).collect());
        let mut problems = Vec::new();
        let mut owners = Owners::default();
        for (found, pattern) in found {
            let path = found.path.display().to_string();
            if let Err(error) = self.add(found, pattern, &mut owners) {
                problems.push(Problem { path, error });
            }
        }
        for folder in &folders {
            if let Err(error) = std::fs::read_dir(folder) {
                problems.push(Problem { path: folder.display().to_string(), error: error.to_string() });
            }
        }
        // What is wrong may be mended without a change of names.
        self.names.until = Instant::now() + if problems.is_empty() { NAMES_KEPT } else { Duration::ZERO };
        self.logs.set_problems(problems);
        self.by_path.clear();
        for (index, Watched { followed, .. }) in self.watched.iter().enumerate() {
            folders.extend(followed.home.folders().flat_map(|folder| self.kit.folders.with_old_folders(folder)));
            let path = followed.log.path();
            if followed.home.live != path {
                self.by_path.entry(followed.home.live.clone()).or_default().push(index);
            }
            self.by_path.entry(path).or_default().push(index);
        }
        self.alarm.heed(self.by_path.keys().cloned());
        self.kit.watch.set(&folders);
        let (said, now) = (self.logs.watching().degraded, self.kit.watch.status());
        match &now.degraded {
            Some(why) if said.is_none() => warn!(why, "not all changes are notified: what is not watched is polled"),
            None if said.is_some() => info!("all changes are notified again"),
            _ => {}
        }
        self.logs.set_watching(now);
    }

    /// Forgets logs that no pattern means any more and that never had a file: a path that turned out to be a folder.
    fn forget_never_begun(&mut self, found: &[(Found, usize)]) {
        let meant: HashSet<&str> = found.iter().map(|(found, _)| found.name.as_str()).collect();
        let (logs, before) = (&self.logs, self.watched.len());
        self.watched.retain(|Watched { followed, .. }| {
            let keep = meant.contains(&*followed.log.name) || !followed.log.state().generations.is_empty();
            if !keep {
                logs.remove(&followed.log.name);
            }
            keep
        });
        if self.watched.len() < before {
            self.renumber();
        }
    }

    /// Whether what was found is the file of a container's next run.
    fn may_move(&self, known: &Log, pattern: usize, found: &Found) -> bool {
        let same_pattern = known.pattern() == self.first + pattern || known.pattern() < self.first;
        same_pattern && container::name_of(&found.path).is_some()
    }

    /// Where else a pattern's rotated files are, and the folder out of which links may not lead.
    fn around(&self, pattern: usize) -> (Option<PathBuf>, Option<PathBuf>) {
        let pattern = &self.patterns[pattern];
        (pattern.rotated.clone(), (self.kit.settings.links == Links::Inside).then(|| pattern.folder()))
    }

    fn add(&mut self, found: Found, pattern: usize, owners: &mut Owners) -> Result<(), String> {
        match self.logs.get(&found.name) {
            Some(known) if known.path() == found.path || self.may_move(&known, pattern, &found) => {
                if known.path() != found.path {
                    info!(log = &*known.name, path = ?found.path, "the container has another file");
                    known.move_to(found.path);
                }
                if known.pattern() < self.first {
                    known.set_pattern(self.first + pattern);
                    let (rotated, bounds) = self.around(pattern);
                    let own = self.watched.iter_mut().find(|watched| watched.followed.log.name == known.name);
                    own.into_iter().for_each(|own| {
                        (own.followed.home.rotated, own.followed.home.bounds) = (rotated.clone(), bounds.clone());
                    });
                }
                return Ok(());
            }
            Some(known) => {
                let known = known.path();
                let (name, known, path) = (&found.name, known.display(), found.path.display());
                return Err(format!("the name {name} belongs to {known} already; give this one another: NAME={path}"));
            }
            None => {}
        }
        owners.learn(&self.watched);
        let name = &*found.name;
        let free = [SourceId::of(name), SourceId::long(name)].into_iter().find(|source| !owners.sources.contains_key(source));
        let source = free.ok_or_else(|| format!("another log's name has the hash of {name}; give this one another name"))?;
        let log = Arc::new(Log::new(name, source, found.path, self.first + pattern));
        if let Some(other) = owners.of(&log.path()) {
            return Err(format!("this file is of the log {other} already, under another name"));
        }
        let now = Instant::now();
        self.logs.note_turn();
        let (rotated, bounds) = self.around(pattern);
        let mut followed = Followed::new(log.clone(), rotated, bounds);
        followed.home.folders().for_each(|folder| self.kit.watch.add(folder));
        followed.find_history(&mut self.kit, now);
        followed.look(&mut self.kit, now);
        info!(log = &*log.name, path = ?log.path(), "following");
        if self.is_adding {
            log.note_added();
        }
        owners.add(&followed);
        self.open_files += followed.open_files();
        let written = log.state().newest().and_then(|newest| newest.modified.elapsed().ok());
        let is_quiet = written.is_some_and(|age| age > WARM);
        let hot_until = if is_quiet { now.checked_sub(WARM).unwrap_or(now) } else { now + HOT };
        let mut watched = Watched { followed, changed: true, hot_bytes: 0, due: Some(now), rests_until: now, hot_until };
        self.hot_bytes = self.hot_bytes.saturating_add_signed(watched.count_hot_bytes());
        self.awake.push(self.watched.len());
        self.changed.push(self.watched.len());
        self.watched.push(watched);
        self.close_surplus();
        self.logs.add(log);
        Ok(())
    }

    /// Keeps the newest records of all logs within the memory they may take.
    fn shed(&mut self) {
        while self.hot_bytes > self.kit.settings.hot_tail_bytes {
            let Some(largest) = self.watched.iter_mut().max_by_key(|watched| watched.hot_bytes) else { return };
            let mut shed = None;
            largest.followed.log.update(|state| shed = state.tail.shed());
            let Some(shed) = shed else { return };
            largest.hot_bytes -= shed.len();
            self.hot_bytes -= shed.len();
            self.kit.block.take_back(shed);
        }
    }
}

impl Watched {
    /// Counts its hot bytes anew; how many more there are, which may be less than none.
    fn count_hot_bytes(&mut self) -> isize {
        let before = std::mem::replace(&mut self.hot_bytes, self.followed.log.state().tail.bytes());
        self.hot_bytes as isize - before as isize
    }
}

/// Which names' hashes and which files belong to a log already.
#[derive(Default)]
struct Owners {
    learnt: bool,
    sources: HashMap<SourceId, Arc<str>>,
    /// Where their live files are, or will be.
    homes: HashMap<PathBuf, Arc<str>>,
    /// Their files, and how much of each they know.
    files: HashMap<FileIdentity, (Arc<str>, u64)>,
}

impl Owners {
    /// Learns of all logs, the first time that it is called.
    fn learn(&mut self, watched: &[Watched]) {
        if !std::mem::replace(&mut self.learnt, true) {
            watched.iter().for_each(|watched| self.add(&watched.followed));
        }
    }

    fn add(&mut self, followed: &Followed) {
        let name = &followed.log.name;
        self.sources.insert(followed.log.source, name.clone());
        self.homes.insert(followed.home.live.clone(), name.clone());
        self.files.extend(followed.files().into_iter().map(|(file, known)| (file, (name.clone(), known))));
    }

    /// The log that the file at `path` is of.
    fn of(&self, path: &Path) -> Option<&str> {
        if let Some(name) = self.homes.get(&real_path(path)) {
            return Some(name);
        }
        let metadata = std::fs::metadata(path).ok()?;
        let (name, known) = self.files.get(&FileIdentity::of(&metadata))?;
        // Whoever writes on in a file that its log has done with writes another log.
        (metadata.len() <= *known).then_some(name)
    }
}

/// How long until the next look by polling at a log that changed not long ago, with `count` logs in all.
fn warm_tick(count: usize) -> Duration {
    Duration::from_micros(100 * count as u64).clamp(Duration::from_millis(250), SCAN)
}
