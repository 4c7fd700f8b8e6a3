//! The order of the house, kept by a machine: which module may name which, which file is the door to a dependency.

use std::fs;
use std::path::Path;

use regex::Regex;

/// The modules, from left to right: each names only itself and what stands to its left. Siblings stand together.
const ORDER: &[&[&str]] = &[
    &["position"],
    &["format"],
    &["record"],
    &["event"],
    &["source"],
    &["subscriber"],
    &["sse", "text", "ndjson", "exposition", "process"],
    &["page"],
    &["http"],
    &["health"],
    &["config"],
    &["agent"],
    &["demo"],
];

/// Files that put the modules together and may name them all.
const ROOTS: [&str; 2] = ["main.rs", "lib.rs"];

/// What only certain files may name, and which.
const DOORS: &[(&str, &str)] = &[
    (r"\bnotify::", r"^source/watch\.rs$"),
    (r"\bregex::", r"^subscriber/\w+\.rs$"),
    (r"\bactix_\w+", r"^http(/|\.rs$)"),
    (r"\bminiz_oxide\b", r"^(source/gzip|page/mod)\.rs$"),
    (r"\bruzstd\b", r"^source/(zstd|content)\.rs$"),
    (r"\bschemars::", r"^config/"),
    (r"\blistenfd::", r"^config/supervision\.rs$"),
    (r"\brustls::", r"^http/tls\.rs$"),
    (r"(?m)^use ring::", r"^http/access/secret\.rs$"),
    (r"\bprocess::exit\b|\bExitCode\b", r"^main\.rs$"),
    (r"\bstd::env\b|\benv::(var|args|current|temp)", r"^config"),
];

/// A source file: its path below the folder, and its code without comments.
#[derive(Clone)]
struct Source {
    path: String,
    code: String,
    whole: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().expect("a name")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(!sources.is_empty(), "no sources in {folder}");
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let whole = fs::read_to_string(&path).expect("a source in UTF-8");
            let code = whole.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            sources.push(Source { path, code, whole });
        }
    }
}

/// The top-level modules that `code` names by `crate::…`, in braces too.
fn named(code: &str) -> Vec<String> {
    let direct = Regex::new(r"\b(?:crate|sidetail)::(\w+)").unwrap();
    let braces = Regex::new(r"\b(?:crate|sidetail)::\{").unwrap();
    let mut names: Vec<_> = direct.captures_iter(code).map(|found| found[1].to_owned()).collect();
    for start in braces.find_iter(code).map(|found| found.end()) {
        let (mut depth, mut word, mut first) = (1, String::new(), true);
        for letter in code[start..].chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if letter.is_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            if first && !word.is_empty() {
                names.push(word.clone());
            }
            first = (depth == 1 && letter == ',') || (word.is_empty() && first);
            word.clear();
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|siblings| siblings.contains(&module))
}

#[test]
fn a_module_names_only_what_stands_to_its_left() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !ROOTS.contains(&source.path.as_str())) {
        let Some(own) = rank(source.module()) else {
            wrong.push(format!("{} belongs to no module of the order", source.path));
            continue;
        };
        for name in named(&source.code) {
            if rank(&name).is_none_or(|other| other > own || (other == own && name != source.module())) {
                wrong.push(format!("{} names crate::{name}", source.path));
            }
        }
        if source.code.contains("super::super::super") {
            wrong.push(format!("{} climbs by super::super::super", source.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_dependency_has_one_door() {
    let sources = sources("src");
    for (what, door) in DOORS {
        let (what, door) = (Regex::new(what).unwrap(), Regex::new(door).unwrap());
        let users: Vec<_> = sources.iter().filter(|source| what.is_match(&source.code)).map(|source| &source.path).collect();
        let strangers: Vec<_> = users.iter().filter(|path| !door.is_match(path)).collect();
        assert!(strangers.is_empty(), "{what} is named outside of {door}: {strangers:?}");
        if what.as_str().contains("regex") {
            assert!(users.len() <= 1, "more than one door to regex: {users:?}");
        }
    }
}

#[test]
fn one_file_may_have_unsafe_code() {
    let allowed = format!("(unsafe{})", "_code");
    for folder in ["src", "tests", "benches", "examples"] {
        for source in sources(folder).iter().filter(|source| source.whole.contains(&allowed)) {
            assert_eq!((folder, &*source.path), ("src", "process/code.rs"), "unsafe code is allowed there");
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let left = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    let marks = ["FIX", "XX"].map(|mark| format!("{mark}{}", if mark == "XX" { "X" } else { "ME" }));
    let skipped = format!("#[{}", "ignore");
    for source in sources("src").iter().chain(&sources("tests")) {
        for word in left.iter().chain(&marks).chain([&skipped]) {
            assert!(!source.whole.contains(word.as_str()), "{} in {}", word, source.path);
        }
    }
}

#[test]
fn names_in_braces_are_found_too() {
    let code =
        "use crate::position::Position;\nuse crate::{\n    event::{self, Gap},\n    source,\n};\nlet x = crate::sse::frame();";
    let mut names = named(code);
    names.sort();
    assert_eq!(names, ["event", "position", "source", "sse"]);
}

/// `docs/hard-cases.md` has a row for each case, and the test that a row names exists.
#[test]
fn every_hard_case_has_its_test() {
    let tests = [sources("src"), sources("tests")].concat();
    let exists = |name: &str| {
        let (module, function) = name.rsplit_once("::").expect("module::test");
        let path = module.trim_end_matches("::tests").replace("::", "/");
        tests.iter().any(|source| source.path.contains(&path) && source.code.contains(&format!("fn {function}(")))
    };
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hard-cases.md")).expect("the table");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').map(str::trim).collect()).collect();
    for (number, row) in (1..).zip(&rows[2..]) {
        assert_eq!(row[1], number.to_string());
        for test in row[4].split(", ").map(|test| test.trim_matches('`')) {
            assert!(exists(test), "case {number}: there is no test {test}");
        }
    }
    assert_eq!(rows.len(), 2 + 98);
}
