//! The browser page, embedded in the program: one HTML file, its style sheet and its modules. Plain files without a build
//! step; they never load anything from another host and never need an inline script or style. Comments and
//! indentation stay here: what travels is the code.

use std::sync::{LazyLock, OnceLock};

use miniz_oxide::deflate::compress_to_vec;
use xxhash_rust::xxh3::xxh3_64;

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
    ($($name:literal),*) => { [$((concat!("assets/", $name), JS, include_str!($name))),*] };
}

/// The modules of the page, as they stand.
const MODULES: [(&str, &str, &str); 20] = modules![
    "page.js",
    "address.js",
    "bar.js",
    "connection.js",
    "copy.js",
    "fields.js",
    "find.js",
    "histogram.js",
    "history.js",
    "hub.js",
    "keys.js",
    "link.js",
    "list.js",
    "look.js",
    "ring.js",
    "row.js",
    "sse.js",
    "text.js",
    "time.js",
    "view.js"
];

/// The page itself. Its links are relative, so it has to be served at an address that ends with `/`.
pub static INDEX: LazyLock<Asset> = LazyLock::new(|| Asset::new("", HTML, include_str!("index.html").to_string()));

/// What the page loads.
pub static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let style = Asset::new("assets/page.css", CSS, bare_code(include_str!("page.css")));
    let worker = Asset::new("assets/worker.js", JS, bare_code(include_str!("worker.js")));
    let modules = MODULES.iter().map(|(path, kind, text)| Asset::new(path, kind, bare_code(text)));
    [style, worker].into_iter().chain(modules).collect()
});

impl Asset {
    fn new(path: &'static str, content_type: &'static str, body: String) -> Self {
        let etag = format!("\"{:016x}\"", xxh3_64(body.as_bytes()));
        Asset { path, content_type, body, gzip: OnceLock::new(), etag }
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

/// A module or style sheet without comments and indentation. None of its texts holds what looks like a comment, or goes
/// over several lines.
fn bare_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let lines = out.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that the page may be, uncompressed, in bytes.
    const BYTES_MAX: usize = 100 << 10;

    #[test]
    fn the_page_loads_its_own_assets_by_relative_links_and_nothing_else() {
        let links: Vec<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|attribute| INDEX.body.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| !link.starts_with("data:") && *link != "tail")
            .collect();
        assert!(links.iter().all(|link| ASSETS.iter().any(|asset| asset.path == *link)), "{links:?}");
        for asset in ASSETS.iter().filter(|asset| asset.content_type == JS) {
            let imports = asset.body.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
            for import in imports {
                assert!(ASSETS.iter().any(|other| other.path == format!("assets/{import}")), "{} imports {import}", asset.path);
            }
        }
    }

    #[test]
    fn every_module_in_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page");
        for entry in std::fs::read_dir(folder).expect("our own folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
            let served = ["mod.rs", "package.json"].contains(&&*name)
                || name == "index.html"
                || ASSETS.iter().any(|asset| asset.path.ends_with(&format!("/{name}")));
            assert!(served, "{name}");
        }
    }

    #[test]
    fn the_page_is_small() {
        let bytes = INDEX.body.len() + ASSETS.iter().map(|asset| asset.body.len()).sum::<usize>();
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
        assert_eq!(bare_code(text), "let d = 1; // e\n(g).h();\n");
    }
}
