//! The browser page, embedded in the program: one HTML file, its style sheet and its modules. Plain files without a build
//! step; they never load anything from another host and never need an inline script or style. Comments and
//! indentation stay here, private names are short there, and the modules travel as one.

use std::collections::HashMap;
use std::iter;
use std::sync::{LazyLock, OnceLock};

use miniz_oxide::deflate::compress_to_vec;
use twox_hash::XxHash3_64;

/// How hard a file is compressed, once, when it is first asked for.
const COMPRESSION: u8 = 9;

/// A file of the page.
pub struct Asset {
    /// Where the page expects it, relative to the base path: `assets/page.js`. Empty for the page itself.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its text.
    pub body: String,
    gzip: OnceLock<Vec<u8>>,
    /// Its `ETag`: the same for the same text.
    pub etag: String,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

macro_rules! modules {
    ($($name:literal),*) => { &[$(($name, include_str!($name))),*] };
}

/// The modules of the page and of its worker: names and texts, each after those that it imports.
const MODULES: &[(&str, &str)] = modules![
    "time.js",
    "row.js",
    "sse.js",
    "text.js",
    "fields.js",
    "find.js",
    "address.js",
    "keys.js",
    "keep.js",
    "copy.js",
    "histogram.js",
    "ring.js",
    "connection.js",
    "hub.js",
    "worker.js",
    "link.js",
    "history.js",
    "view.js",
    "list.js",
    "look.js",
    "bar.js",
    "page.js"
];

/// The page itself. Its links are relative, so it has to be served at an address that ends with `/`; what is behind their
/// `?` is the [`Asset::version`] of what they lead to.
pub static INDEX: LazyLock<Asset> = LazyLock::new(|| {
    let links = ASSETS.iter().fold(include_str!("index.html").to_string(), |html, asset| {
        html.replace(&format!("\"{}\"", asset.path), &format!("\"{}?{}\"", asset.path, asset.version()))
    });
    Asset::new("", HTML, links)
});

/// The `Link` beside the page: what it asks for first, where its own address names neither words nor a row. A browser that
/// is told so asks before it has the code.
pub const FIRST_LINES: &str = "<events?before=end&tail=100&follow=false&data=json>; rel=preload; as=fetch; crossorigin";

/// What the page loads.
pub static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new("assets/page.css", CSS, style(include_str!("page.css"))),
        Asset::new("assets/page.js", JS, joined(MODULES)),
        Asset::new("assets/login.css", CSS, style(include_str!("login.css"))),
    ]
});

const LOGIN_FORM: &str = "<form method=\"post\">
<label for=\"token\">Token</label>
<input id=\"token\" name=\"token\" type=\"password\" required autofocus autocomplete=\"current-password\">
<button>Log in</button>
</form>";

/// The page to log in on, with a sentence that says `why` it did not work; or for who is logged in, to leave.
pub fn login(why: &str, who: Option<&str>) -> String {
    let why = if why.is_empty() { String::new() } else { format!("<p role=\"alert\">{why}</p>\n") };
    let form = match who {
        None => LOGIN_FORM.to_owned(),
        Some(who) => format!(
            "<p>You are logged in as <strong>{who}</strong>. <a href=\".\">The log</a></p>\n\
             <form method=\"post\" action=\"logout\">\n<button>Log out</button>\n</form>"
        ),
    };
    include_str!("login.html").replace("{why}", &why).replace("{form}", &form)
}

impl Asset {
    fn new(path: &'static str, content_type: &'static str, body: String) -> Self {
        let etag = format!("\"{:016x}\"", XxHash3_64::oneshot(body.as_bytes()));
        Asset { path, content_type, body, gzip: OnceLock::new(), etag }
    }

    /// What tells its text from any other, to be a part of an address.
    pub fn version(&self) -> &str {
        self.etag.trim_matches('"')
    }

    /// The text as gzip; compressed when it is first asked for.
    pub fn gzip(&self) -> &[u8] {
        self.gzip.get_or_init(|| gzip(self.body.as_bytes()))
    }
}

/// One gzip member (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(compress_to_vec(bytes, COMPRESSION));
    out.extend(crc32fast::hash(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

/// Modules as one: a chain of requests would take most of the time until the first lines are there. No two of them may
/// have a name of their own in common, and each import is a line.
fn joined(modules: &[(&str, &str)]) -> String {
    let code: String = modules.iter().flat_map(|(_, text)| [text, "\n"]).collect();
    let code = without_comments(&code);
    let lines = lines(&code).filter(|line| !line.starts_with("import "));
    let mut names = HashMap::new();
    ended(lines.map(|line| dense_script(line.strip_prefix("export ").unwrap_or(line), &mut names)))
}

/// A style sheet without comments and needless spaces.
fn style(text: &str) -> String {
    ended(lines(&without_comments(text)).map(dense_style))
}

/// A module or style sheet without the comments that may go over several lines. No text in it holds what looks like a comment.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

/// Lines that are not empty and no comment, without indentation. No text in them goes over several lines.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"))
}

/// Lines beside each other where it is clear that they end, else one below the other. What ends before a brace needs no `;`.
fn ended(lines: impl Iterator<Item = String>) -> String {
    let mut out = String::new();
    for line in lines {
        if line.starts_with(['}', ')', ']']) {
            out.truncate(out.trim_end_matches('\n').len());
        }
        if line.starts_with('}') && out.ends_with(';') {
            out.pop();
        }
        out.push_str(&line);
        if !line.ends_with([';', '{', ',', '}', '(', '[']) {
            out.push('\n');
        }
    }
    out
}

/// What may stand in a style sheet without the spaces around it.
const SPACED: [&str; 6] = [", ", ": ", " {", "{ ", "; ", " }"];

/// A line of a style sheet without spaces that mean nothing.
fn dense_style(line: &str) -> String {
    let code = |part: &str| SPACED.iter().fold(part.to_owned(), |part, spaced| part.replace(spaced, spaced.trim()));
    let parts = line.split('"').enumerate().map(|(at, part)| if at % 2 == 0 { code(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("\"").replace(";}", "}")
}

/// A line of a script without spaces that mean nothing, and with short private names, `names` so far. Texts and regular
/// expressions in it stay as they are.
fn dense_script(line: &str, names: &mut HashMap<String, String>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "_$#".contains(c);
    let mut out = String::with_capacity(line.len());
    // What has begun and not ended: a text by its quote, an expression by `/`, a class in it by `[`, code in a text by `{`.
    let mut open = vec!['{'];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let (inside, next) = (open.last().copied().unwrap_or('{'), chars.peek().copied().unwrap_or('\n'));
        let before = out.chars().next_back().unwrap_or('\n');
        match (inside, c) {
            ('{', ' ') if !(is_word(before) && is_word(next) || before == next && "+-".contains(next)) => continue,
            ('{', '#') => {
                let name = iter::from_fn(|| chars.next_if(|c| is_word(*c))).collect();
                let number = names.len();
                out.push('#');
                out.push_str(names.entry(name).or_insert_with(|| letters(number)));
                continue;
            }
            ('{', '"' | '\'' | '`' | '{') => open.push(c),
            ('{', '/') if !is_word(before) && !")]".contains(before) || out.ends_with("return") => open.push(c),
            ('{', '}') | ('/', '/') | ('[', ']') => drop(open.pop()),
            ('/', '[') => open.push(c),
            ('`', '{') if before == '$' => open.push(c),
            ('"' | '\'' | '`', _) if c == inside => drop(open.pop()),
            ('"' | '\'' | '`' | '/' | '[', '\\') => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            _ => (),
        }
        out.push(c);
    }
    out
}

/// A number as letters: a, b, … z, aa, ba.
fn letters(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    if number < 26 { letter.into() } else { format!("{letter}{}", letters(number / 26 - 1)) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The most that the page may be, uncompressed, in bytes.
    const BYTES_MAX: usize = 100_000;

    #[test]
    fn the_page_loads_its_own_assets_by_relative_links_and_nothing_else() {
        let links: Vec<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|attribute| INDEX.body.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| !link.starts_with("data:") && !["tail", "login"].contains(link))
            .collect();
        let is_ours = |link: &&str| ASSETS.iter().any(|asset| link.split_once('?') == Some((asset.path, asset.version())));
        assert!(links.len() == 2 && links.iter().all(is_ours), "{links:?}");
    }

    #[test]
    fn every_module_in_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page");
        for entry in std::fs::read_dir(folder).expect("our own folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
            let served = MODULES.iter().any(|(module, _)| *module == name);
            assert!(served || !name.ends_with(".js"), "{name}");
        }
    }

    #[test]
    fn modules_can_be_joined() {
        let (mut files, mut names) = (HashSet::new(), HashSet::new());
        for (file, text) in MODULES {
            for import in text.lines().filter(|line| line.starts_with("import ")) {
                let from = import.split("\"./").nth(1).and_then(|rest| rest.strip_suffix("\";")).expect("an import in one line");
                assert!(files.contains(from), "{file} imports {from}, which is not before it");
                assert!(!import.contains(" as "), "{file}: {import}");
            }
            files.insert(*file);
            for name in names_of(text) {
                assert!(names.insert(name), "{file}: there is another {name}");
            }
        }
        let joined = joined(MODULES);
        assert!(!joined.contains("import ") && !joined.contains("export "));
    }

    /// What a module declares at its top.
    fn names_of(text: &str) -> Vec<&str> {
        let kinds = ["const ", "let ", "function ", "class "];
        let declared = text.lines().filter_map(|line| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            kinds.iter().find_map(|kind| line.strip_prefix(kind))
        });
        let names = declared.flat_map(|rest| match rest.strip_prefix('[') {
            Some(several) => several.split(']').next().unwrap_or("").split(", ").collect(),
            None => vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")],
        });
        names.collect()
    }

    #[test]
    fn the_page_is_small() {
        let bytes = login("", None).len() + INDEX.body.len() + ASSETS.iter().map(|asset| asset.body.len()).sum::<usize>();
        assert!(bytes < BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn the_page_keeps_to_a_policy_without_inline_code_and_never_writes_html() {
        for inline in ["<style", " style=", "<script>", " onclick=", "javascript:"] {
            assert!(!INDEX.body.contains(inline), "{inline}");
        }
        for writes_html in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!ASSETS.iter().any(|asset| asset.body.contains(writes_html)), "{writes_html}");
        }
    }

    #[test]
    fn comments_and_indentation_are_left_out() {
        let text = "// a\n/** b */\n/**\n * c\n */\nlet d = 1; // e\n  /** @type {F} */ (g).h();\n\n";
        assert_eq!(joined(&[("", text), ("", "import h;\nexport i(\n)\n")]), "let d=1;//e\n(g).h();i()\n");
        let block = "if (a) {\n  b([\n    c\n  ]);\n}\nelse d()\ne";
        assert_eq!(joined(&[("", block)]), "if(a){b([c])}else d()\ne\n");
        for (line, dense) in [
            ("if (a === \"b, c\" && d) e = [\"f = g\", h];", "if(a===\"b, c\"&&d)e=[\"f = g\",h];"),
            ("let i = 'j = \\' k' + - -l + +m;", "let i='j = \\' k'+- -l+ +m;"),
            ("return n ? `o = ${ p + ` ${ { q: 1 }.q } r` } s` : t;", "return n?`o = ${p+` ${{q:1}.q} r`} s`:t;"),
            ("x = /a [/ ] b\\/ c/.test(y) && z / 2 / 3;", "x=/a [/ ] b\\/ c/.test(y)&&z/2/3;"),
            ("static #abc = new B('#abc').#d + this.#abc;", "static #a=new B('#abc').#b+this.#a;"),
            ("return / a/;", "return/ a/;"),
        ] {
            assert_eq!(dense_script(line, &mut HashMap::new()), dense);
        }
        assert_eq!([0, 25, 26, 51, 52, 701].map(letters), ["a", "z", "aa", "za", "ab", "zz"]);
        assert_eq!(dense_style("a .b, c { d: \"e, f\" 1px; }"), "a .b,c{d:\"e, f\" 1px}");
    }
}
