//! The tokens of the token file: each has a name and the logs that it opens.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::secret::Tag;
use crate::subscriber::grant::Grant;

/// The largest token file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most tokens.
pub const TOKENS_MAX: usize = 1000;
/// A token that is shorter can be guessed, in bytes.
const STRONG_BYTES: usize = 16;
/// The longest name of a token, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A token, without itself.
#[derive(Debug, PartialEq)]
pub struct Token {
    /// What it is called.
    pub name: String,
    /// What stands for it.
    pub tag: Tag,
    /// The logs that it opens.
    pub grant: Grant,
    is_weak: bool,
}

/// All tokens that are good now.
#[derive(Clone, Debug, Default)]
pub struct Tokens(HashMap<Tag, Arc<Token>>);

impl Tokens {
    /// Reads a token file: a line is `TOKEN`, or `NAME TOKEN`, or `NAME TOKEN LOG…` with names or globs of logs. Empty lines
    /// and lines that start with `#` do not count.
    ///
    /// # Errors
    /// A sentence that names the file and the line, and never a token.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |why: &dyn fmt::Display| format!("token-file {}: {why}", path.display());
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| wrong(&error))?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(&format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8"))?;
        Tokens::parse(&text).map_err(|why| format!("token-file {}{why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !matches!(line.trim_start().chars().next(), None | Some('#')));
        let count = lines.clone().count();
        if count > TOKENS_MAX {
            return Err(format!(": there are {count} tokens in it, and there may be {TOKENS_MAX}"));
        }
        let mut tokens = HashMap::new();
        for (number, line) in lines {
            let mut words = line.split_whitespace();
            let (Some(first), second) = (words.next(), words.next()) else { continue };
            let (name, secret) = second.map_or_else(|| (format!("line-{number}"), first), |secret| (first.to_owned(), secret));
            let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.len() > NAME_BYTES_MAX || !name.bytes().all(harmless) {
                return Err(format!(
                    ":{number}: write NAME TOKEN [LOG…]; a name has at most {NAME_BYTES_MAX} letters, digits, '.', '_' or '-'"
                ));
            }
            let grant = Grant::of_logs(words.map(str::to_owned).collect()).map_err(|why| format!(":{number}: {why}"))?;
            let (tag, is_weak) = (Tag::of(secret), secret.len() < STRONG_BYTES);
            let token = Token { name, tag, grant, is_weak };
            if let Some(other) = tokens.values().find(|other: &&Arc<Token>| other.name == token.name || other.tag == tag) {
                return Err(format!(":{number}: it has the name or the token of {:?}, which stands before it", other.name));
            }
            tokens.insert(tag, Arc::new(token));
        }
        if tokens.is_empty() { Err(": there is no token in it; write one a line".into()) } else { Ok(Tokens(tokens)) }
    }

    /// Whether there are none, so that nobody is asked for one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The token that a client sent.
    pub fn find(&self, secret: &str) -> Option<&Arc<Token>> {
        self.of_tag(&Tag::of(secret))
    }

    /// The token that this stands for.
    pub fn of_tag(&self, tag: &Tag) -> Option<&Arc<Token>> {
        self.0.get(tag)
    }

    /// Whether a token that was good still is, for the same logs.
    pub fn still_has(&self, token: &Token) -> bool {
        self.of_tag(&token.tag).is_some_and(|now| **now == *token)
    }

    /// The names of those that are so short that they can be guessed.
    pub fn weak(&self) -> Vec<&str> {
        let mut weak: Vec<&str> = self.0.values().filter(|token| token.is_weak).map(|token| &*token.name).collect();
        weak.sort_unstable();
        weak
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tokens: Vec<_> = self.0.values().collect();
        tokens.sort_by(|one, other| one.name.cmp(&other.name));
        let each = tokens.iter().map(|token| match &token.grant {
            grant if grant.is_everything() => format!("{} (all logs)", token.name),
            grant => format!("{} ({})", token.name, grant.names.join(" ")),
        });
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_token_or_a_name_a_token_and_logs() {
        let tokens = Tokens::parse("# who reads\n\nbare-token\noncall  s3cret\n ci\tother app web-* \n").unwrap();
        let token = |secret| tokens.find(secret).map(|token| (token.name.as_str(), token.grant.names.len()));
        assert_eq!(
            (token("bare-token"), token("s3cret"), token("other")),
            (Some(("line-3", 0)), Some(("oncall", 0)), Some(("ci", 2)))
        );
        assert_eq!((token("oncall"), token(""), token("s3cre")), (None, None, None));
        assert!(tokens.find("other").unwrap().grant.covers("web-1") && !tokens.find("other").unwrap().grant.covers("db"));
        assert_eq!(tokens.to_string(), "ci (app web-*), line-3 (all logs), oncall (all logs)");
        assert_eq!(tokens.weak(), ["ci", "line-3", "oncall"]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_never_with_the_token() {
        for (text, why) in [
            ("", "no token"),
            ("# none\n", "no token"),
            ("a s3cret\na other\n", ":2: "),
            ("a s3cret\nb s3cret\n", ":2: "),
            ("a/b s3cret\n", ":1: write NAME TOKEN"),
            ("a s3cret [\n", ":1: "),
            (&format!("{} s3cret\n", "n".repeat(65)), ":1: write NAME TOKEN"),
            (&(0..=1000).map(|number| format!("n{number} t{number}\n")).collect::<String>(), "there may be 1000"),
        ] {
            let said = Tokens::parse(text).unwrap_err();
            assert!(said.contains(why) && !said.contains("s3cret"), "{said}");
        }
    }
}
