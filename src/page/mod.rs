//! The browser page, embedded in the program: one HTML file, its style sheet and its script. Plain files without a
//! build step; they never load anything from another host and never need an inline script or style.

/// A file of the page.
pub struct Asset {
    /// Where the page expects it, relative to the base path: `assets/page.js`. Empty for the page itself.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its text.
    pub body: &'static str,
}

/// The page itself. Its links are relative, so it has to be served at an address that ends with `/`.
pub const INDEX: Asset = Asset { path: "", content_type: "text/html; charset=utf-8", body: include_str!("index.html") };

/// What the page loads.
pub const ASSETS: [Asset; 2] = [
    Asset { path: "assets/page.css", content_type: "text/css; charset=utf-8", body: include_str!("page.css") },
    Asset { path: "assets/page.js", content_type: "text/javascript; charset=utf-8", body: include_str!("page.js") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_its_own_assets_by_relative_links_and_nothing_else() {
        let links: Vec<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|attribute| INDEX.body.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| !link.starts_with("data:") && *link != "tail")
            .collect();
        assert_eq!(links, ASSETS.each_ref().map(|asset| asset.path));
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
}
