//! The story that the demo's logs tell: visitors, orders, a stock import, a payment provider that is down now and
//! then. Made of text and a clock that the caller holds; it never writes to a file and never waits.

use std::fmt::{Arguments, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STRING_NEVER_FAILS: &str = "writing to a string cannot fail";

/// The shop's life, scene by scene, the same at every start but for the time of day.
pub struct Story {
    dice: Dice,
    phase: Phase,
    order: u64,
    cents: [u64; 3],
}

impl Story {
    /// The life from its beginning.
    pub fn new() -> Story {
        Story { dice: Dice(7878), phase: Phase::Calm { visits: 30 }, order: 4710, cents: [15025, 4210, 98700] }
    }

    /// What happens next, dated `at`.
    pub fn next(&mut self, at: SystemTime) -> Scene {
        let mut scene = Scene { at: Utc::from(at), app: String::new(), web: String::new(), pause: Duration::ZERO };
        self.phase = match self.phase {
            Phase::Calm { visits: 0 } => self.turn(&mut scene),
            Phase::Calm { visits } => self.visit(&mut scene, visits),
            Phase::Import { rows, done } => self.import(&mut scene, rows, done),
            Phase::Outage { first, attempt } => self.outage(&mut scene, first, attempt),
        };
        scene
    }

    /// What comes after a calm time.
    fn turn(&mut self, scene: &mut Scene) -> Phase {
        scene.pause = self.dice.millis(50, 200);
        match self.dice.below(3) {
            0 => Phase::Outage { first: self.order + 1, attempt: 1 },
            1 => Phase::Import { rows: self.dice.between(200, 400), done: 0 },
            _ => {
                scene.pause = self.dice.millis(4_000, 8_000);
                let wait = scene.pause.as_millis();
                scene.say("DEBUG", format_args!("scheduler: nothing due, next look in={wait}ms"));
                Phase::Calm { visits: self.dice.between(30, 80) }
            }
        }
    }

    fn visit(&mut self, scene: &mut Scene, visits: u64) -> Phase {
        scene.pause = self.dice.millis(40, 500);
        match self.dice.below(10) {
            0 => scene.access("10.0.0.7", "GET /healthz", 200, 2, "kube-probe/1.34"),
            1..4 => self.browse(scene),
            4..6 => self.tick(scene),
            _ => self.pay(scene),
        }
        Phase::Calm { visits: visits - 1 }
    }

    fn browse(&mut self, scene: &mut Scene) {
        let (product, bytes) = (self.dice.between(100, 180), self.dice.between(900, 24_000));
        let (visitor, agent) = (self.visitor(), self.agent());
        let hit = self.dice.below(4) > 0;
        scene.say("DEBUG", format_args!("catalog: cache {} product={product}", if hit { "hit" } else { "miss" }));
        let status = if product == 113 { 404 } else { 200 };
        scene.access(&visitor, &format!("GET /products/{product}"), status, bytes, agent);
    }

    fn tick(&mut self, scene: &mut Scene) {
        for (symbol, cents) in ["ACME", "GLOBEX", "INITECH"].into_iter().zip(&mut self.cents) {
            *cents = (*cents + self.dice.between(0, 80)).saturating_sub(40).max(100);
            scene.say("INFO", format_args!("ticker: price {symbol} {}.{:02}", *cents / 100, *cents % 100));
        }
    }

    /// An order is paid; its number stands in both logs.
    fn pay(&mut self, scene: &mut Scene) {
        self.order += 1;
        let (order, millis) = (self.order, self.dice.between(8, 90));
        let (visitor, agent) = (self.visitor(), self.agent());
        scene.say("INFO", format_args!("orders: received order={order} items={}", self.dice.between(1, 6)));
        match self.dice.below(30) {
            0 => scene.say("WARN", format_args!("stock: almost sold out sku=K-{} left=2", order % 97)),
            1..4 => scene.say("WARN", format_args!("db: slow query took={}ms rows=1 order={order}", millis * 31)),
            4 => scene.fail("mailer: receipt not rendered", order, PYTHON_TRACE),
            _ => scene.say("DEBUG", format_args!("payment: authorised order={order} after={millis}ms")),
        }
        scene.json("info", "order paid", order, millis);
        scene.access(&visitor, &format!("POST /orders/{order}/payment"), 201, 187, agent);
    }

    fn import(&mut self, scene: &mut Scene, rows: u64, done: u64) -> Phase {
        scene.pause = Duration::from_millis(20);
        if done == 0 {
            scene.say("INFO", format_args!("stock: import started rows={rows}"));
        }
        let next = (done + 25).min(rows);
        for row in done + 1..=next {
            let (sku, left) = (self.dice.between(1000, 9999), self.dice.below(400));
            scene.say("DEBUG", format_args!("stock: row={row}/{rows} sku=K-{sku} left={left}"));
        }
        if next < rows {
            return Phase::Import { rows, done: next };
        }
        scene.say("INFO", format_args!("stock: import finished rows={rows} changed={}", rows / 3));
        scene.pause = self.dice.millis(5_000, 9_000);
        Phase::Calm { visits: self.dice.between(30, 80) }
    }

    /// One more order meets a provider that is down, until it is up again and the waiting orders go through.
    fn outage(&mut self, scene: &mut Scene, first: u64, attempt: u64) -> Phase {
        if attempt > 6 && self.dice.below(3) == 0 {
            scene.say("INFO", format_args!("payment: upstream is back attempts={attempt} waiting={}", attempt - 1));
            (first..=self.order).for_each(|order| scene.json("info", "order paid late", order, 40 + order % 30));
            return Phase::Calm { visits: self.dice.between(40, 90) };
        }
        self.order += 1;
        let (order, backoff) = (self.order, 200 << attempt.min(3));
        let (visitor, agent) = (self.visitor(), self.agent());
        scene.pause = self.dice.millis(backoff / 2, backoff);
        scene.say("INFO", format_args!("orders: received order={order} items=1"));
        match attempt {
            1 => scene.fail("payment: capture failed", order, JAVA_TRACE),
            4 => scene.say("WARN", format_args!("payment: circuit open, orders will wait order={order}")),
            _ => scene.say("ERROR", format_args!("payment: upstream timed out order={order} after=3.{attempt:02}s")),
        }
        scene.say("WARN", format_args!("payment: will retry order={order} attempt={attempt} backoff={backoff}ms"));
        scene.json("error", "order not paid", order, 3000 + 10 * attempt);
        scene.access(&visitor, &format!("POST /orders/{order}/payment"), 502, 157, agent);
        Phase::Outage { first, attempt: attempt + 1 }
    }

    /// An address from the ranges kept for documentation.
    fn visitor(&mut self) -> String {
        format!("{}.{}", self.dice.pick(["203.0.113", "198.51.100", "192.0.2"]), self.dice.between(1, 254))
    }

    fn agent(&mut self) -> &'static str {
        self.dice.pick([
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
            "ShopApp/4.2 (Android 16)",
        ])
    }
}

/// What the shop is going through, with what is still to come of it.
#[derive(Clone, Copy)]
enum Phase {
    /// Ordinary visitors.
    Calm { visits: u64 },
    /// The stock import: hundreds of lines in a moment.
    Import { rows: u64, done: u64 },
    /// The payment provider does not answer; orders from `first` on wait.
    Outage { first: u64, attempt: u64 },
}

const JAVA_TRACE: &str = "java.net.SocketTimeoutException: Read timed out
\tat com.example.shop.payment.Gateway.capture(Gateway.java:88)
\tat com.example.shop.payment.PaymentService.pay(PaymentService.java:141)
\tat com.example.shop.orders.OrderController.submit(OrderController.java:57)
Caused by: java.io.IOException: connection to 192.0.2.80:443 is stalled
\tat com.example.shop.net.Pool.borrow(Pool.java:203)
\t... 12 more";

const PYTHON_TRACE: &str = "Traceback (most recent call last):
  File \"/srv/mailer/receipt.py\", line 41, in render
    total = sum(item[\"price\"] for item in order[\"items\"])
  File \"/srv/mailer/receipt.py\", line 41, in <genexpr>
    total = sum(item[\"price\"] for item in order[\"items\"])
KeyError: 'price'";

/// What happens at one moment.
pub struct Scene {
    /// The lines that the service log gets.
    pub app: String,
    /// The lines that the access log gets.
    pub web: String,
    /// How long nothing happens after it.
    pub pause: Duration,
    at: Utc,
}

impl Scene {
    fn say(&mut self, level: &str, words: Arguments<'_>) {
        writeln!(self.app, "{} {level} {words}", self.at.rfc3339()).expect(STRING_NEVER_FAILS);
    }

    fn fail(&mut self, words: &str, order: u64, trace: &str) {
        self.say("ERROR", format_args!("{words} order={order}\n{trace}"));
    }

    fn json(&mut self, level: &str, words: &str, order: u64, millis: u64) {
        let time = self.at.rfc3339();
        writeln!(self.app, r#"{{"time":"{time}","level":"{level}","msg":"{words}","order":{order},"ms":{millis}}}"#)
            .expect(STRING_NEVER_FAILS);
    }

    fn access(&mut self, from: &str, request: &str, status: u16, bytes: u64, agent: &str) {
        let time = self.at.nginx();
        writeln!(self.web, r#"{from} - - [{time}] "{request} HTTP/1.1" {status} {bytes} "-" "{agent}""#)
            .expect(STRING_NEVER_FAILS);
    }
}

/// A small pseudo-random generator (splitmix64): the same numbers at every start.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    fn millis(&mut self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.between(first, last))
    }

    fn pick<const N: usize>(&mut self, from: [&'static str; N]) -> &'static str {
        from[self.below(N as u64) as usize]
    }
}

/// A moment in UTC, taken apart.
struct Utc {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u32,
}

impl From<SystemTime> for Utc {
    /// A time before 1970 becomes 1970. The date is Howard Hinnant's `civil_from_days`: a year starts in March, so
    /// that a leap day is its last.
    fn from(at: SystemTime) -> Utc {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let days = seconds / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_since_march = (5 * day_of_year + 2) / 153;
        let month = (months_since_march + 2) % 12 + 1;
        Utc {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * months_since_march + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            milli: since.subsec_millis(),
        }
    }
}

impl Utc {
    fn rfc3339(&self) -> String {
        let Utc { year, month, day, hour, minute, second, milli } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }

    fn nginx(&self) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Utc { year, day, hour, minute, second, .. } = self;
        let month = MONTHS[self.month as usize - 1];
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_are_spelled_as_rfc_3339_and_as_nginx_does() {
        let spelled = |millis| {
            let utc = Utc::from(UNIX_EPOCH + Duration::from_millis(millis));
            (utc.rfc3339(), utc.nginx())
        };
        let known = [
            (0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z", "29/Feb/2000:12:34:56 +0000"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z", "31/Dec/2024:23:59:59 +0000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "01/Mar/2100:00:00:00 +0000"),
        ];
        for (millis, rfc3339, nginx) in known {
            assert_eq!(spelled(millis), (rfc3339.into(), nginx.into()));
        }
    }

    #[test]
    fn ten_minutes_of_the_demo_hold_everything_it_promises_at_a_pace_one_can_read() {
        let (mut story, mut at, mut app, mut web) = (Story::new(), UNIX_EPOCH, String::new(), String::new());
        while at < UNIX_EPOCH + Duration::from_secs(600) {
            let scene = story.next(at);
            app += &scene.app;
            web += &scene.web;
            at += scene.pause;
        }
        let promised =
            [" DEBUG ", " INFO ", " WARN ", " ERROR ", "price ACME 1", "\n\tat ", "\nKeyError", "\n{\"time\"", "is back"];
        assert_eq!(promised.map(|text| app.contains(text)), promised.map(|_| true));
        assert!(app.contains("order=4711 ") && web.contains("/orders/4711/") && web.contains("\" 502 "));
        let lines = app.lines().count() + web.lines().count();
        assert!((5 * 600..15 * 600).contains(&lines), "{lines} lines in 600 s");
    }
}
