//! The lines of the logs that are measured with: web access lines of about 157 bytes, each a function of its number and
//! the time of its writing.
//!
//! Every line carries one mark, `~SSSSSSSSSSSS.TTTTTTTTTTTTTTTTTT~`: 12 digits of sequence number, 18 of nanoseconds. A
//! mark is found in any protocol, be it Server-Sent Events, WebSocket frames or JSON, so one reader checks every peer.

/// How a mark begins and ends. No other part of a line has this byte.
pub const MARK: u8 = b'~';
/// How long a mark is, in bytes.
pub const MARK_BYTES: usize = 33;
/// One line in so many is an error: a 503, asked for by Firefox.
pub const ERROR_EVERY: u64 = 100;
/// The number of the first error.
pub const ERROR_FIRST: u64 = 37;

const PATHS: [&str; 16] = [
    "/api/v1/orders",
    "/api/v1/orders/items",
    "/api/v2/cart/checkout",
    "/healthz",
    "/static/js/app.7f3a91c2.js",
    "/login",
    "/api/v1/users/profile/settings",
    "/index.html",
    "/api/v1/search?q=blue+shoes&page=2",
    "/img/logo.png",
    "/api/v1/inventory/sku",
    "/metrics",
    "/api/v1/payments/callback",
    "/ws/notifications",
    "/api/v1/reports/daily",
    "/favicon.ico",
];
const AGENTS: [&str; 4] = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "kube-probe/1.30", "okhttp/4.12.0"];
const ERROR_AGENT: &str = "Mozilla/5.0 (X11) Firefox/128.0";

/// Whether the line `sequence` is an error.
pub fn is_error(sequence: u64) -> bool {
    sequence % ERROR_EVERY == ERROR_FIRST
}

/// Appends the line `sequence`, written at `time_ns`, with its newline.
pub fn push(line: &mut Vec<u8>, sequence: u64, time_ns: u64) {
    let mixed = mix(sequence);
    let error = is_error(sequence);
    line.extend_from_slice(b"10.");
    digits(line, (mixed >> 8) & 255, 1);
    line.push(b'.');
    digits(line, (mixed >> 16) & 255, 1);
    line.push(b'.');
    digits(line, (mixed >> 24) & 255, 1);
    line.extend_from_slice(b" - - [22/Nov/2026:21:35:51 +0000] \"GET ");
    line.extend_from_slice(PATHS[(mixed & 15) as usize].as_bytes());
    line.extend_from_slice(if error { b" HTTP/1.1\" 503 " } else { b" HTTP/1.1\" 200 " });
    digits(line, (mixed >> 32) & 0xffff, 1);
    line.extend_from_slice(b" \"-\" \"");
    line.extend_from_slice(if error { ERROR_AGENT } else { AGENTS[((mixed >> 4) & 3) as usize] }.as_bytes());
    line.extend_from_slice(b"\" rt=0.");
    digits(line, (mixed >> 48) % 1000, 3);
    line.push(b' ');
    line.push(MARK);
    digits(line, sequence, 12);
    line.push(b'.');
    digits(line, time_ns, 18);
    line.push(MARK);
    line.push(b'\n');
}

/// Sequence number and time of a mark, if `bytes` are one.
pub fn parse_mark(bytes: &[u8; MARK_BYTES]) -> Option<(u64, u64)> {
    let whole = bytes[0] == MARK && bytes[13] == b'.' && bytes[32] == MARK;
    if !whole {
        return None;
    }
    Some((number(&bytes[1..13])?, number(&bytes[14..32])?))
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut wrong = false;
    let value = digits.iter().fold(0_u64, |value, &digit| {
        let digit = digit.wrapping_sub(b'0');
        wrong |= digit > 9;
        value.wrapping_mul(10).wrapping_add(u64::from(digit))
    });
    (!wrong).then_some(value)
}

/// Appends `value` in decimal, at least `width` digits.
fn digits(line: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    while at > text.len() - width || value > 0 {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    line.extend_from_slice(&text[at..]);
}

/// Numbers that look random, the same ones in every run (the finalizer of MurmurHash3).
fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_mark_that_says_its_number_and_time() {
        for sequence in (0..1_000_000_000).step_by(1_000_003) {
            let mut line = Vec::new();
            push(&mut line, sequence, sequence * 1_234_567);
            let marks: Vec<_> = memchr::memchr_iter(MARK, &line).collect();
            let [start, _] = marks[..] else { panic!("{marks:?}") };
            let mark = line[start..start + MARK_BYTES].try_into().unwrap();
            assert_eq!(parse_mark(mark), Some((sequence, sequence * 1_234_567)));
            assert_eq!(memchr::memchr_iter(b'\n', &line).count(), 1);
        }
    }
}
