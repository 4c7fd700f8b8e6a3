//! Secrets, and how they are compared: never themselves, only their tags under a key that this process drew, in a time
//! that tells nothing. The only place that names `ring`.

use std::fmt::Write as _;
use std::sync::LazyLock;

use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::rand::{SecureRandom, SystemRandom};

/// How long a secret of ours is, in bytes.
const RANDOM_BYTES: usize = 32;

static KEY: LazyLock<Key> =
    LazyLock::new(|| Key::generate(HMAC_SHA256, &SystemRandom::new()).expect("the system has random numbers"));

/// What stands for a secret in this process. Nobody who knows one can make the other, so tags may be looked up as any
/// value: how long that takes tells nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag([u8; 32]);

impl Tag {
    /// The tag of a secret.
    pub fn of(secret: &str) -> Self {
        let mut tag = [0; 32];
        tag.copy_from_slice(sign(&KEY, secret.as_bytes()).as_ref());
        Tag(tag)
    }
}

/// A secret that nobody can guess, in hexadecimal digits.
pub fn draw() -> String {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().fold(String::with_capacity(2 * RANDOM_BYTES), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
