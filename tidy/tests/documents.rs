//! Documents: links lead somewhere, what code and documents refer to is there, changes are logged.

use tidy::{links, root, sources};

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn links_resolve() {
    let mut faults = Vec::new();
    for document in sources(&["md"]) {
        let path = root().join(&document.path);
        for link in links(&document.text).into_iter().filter(|l| !l.contains("://") && !l.starts_with("mailto:")) {
            let target = link.split('#').next().unwrap_or(&link);
            if !path.parent().is_some_and(|folder| folder.join(target).exists()) {
                faults.push(format!("{}: {link}", document.path));
            }
        }
    }
    report(&faults);
}

#[test]
fn documents_that_are_named_exist() {
    let decisions: Vec<String> = sources(&["md"]).into_iter().filter_map(|s| s.path.strip_prefix("docs/adr/").map(str::to_owned)).collect();
    let mut faults = Vec::new();
    for source in sources(&["rs", "md", "toml"]) {
        for (at, _) in source.text.match_indices("docs/") {
            let rest = source.text.get(at..).unwrap_or_default();
            let name = rest.split(|c: char| !c.is_alphanumeric() && !"/._-".contains(c)).next().unwrap_or_default().trim_end_matches('.');
            let before = source.text.get(..at).and_then(|t| t.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || "/._-".contains(c)) {
                continue;
            }
            let found = match name.strip_prefix("docs/adr/") {
                Some(number) if number.len() == 4 => decisions.iter().any(|d| d.starts_with(number)),
                _ => root().join(name).exists(),
            };
            if !found {
                faults.push(format!("{}: {name}", source.path));
            }
        }
    }
    report(&faults);
}

#[test]
fn the_changelog_has_room() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.lines().any(|l| l == "## Unreleased"), "CHANGELOG.md needs a section \"## Unreleased\"");
}

#[test]
fn decisions_are_numbered_in_a_row() {
    let mut decisions: Vec<String> = sources(&["md"]).into_iter().filter(|s| s.path.starts_with("docs/adr/")).map(|s| s.path).collect();
    decisions.retain(|path| !path.ends_with("README.md"));
    for (path, n) in decisions.iter().zip(1..) {
        assert!(path.starts_with(&format!("docs/adr/{n:04}-")), "{path} should be number {n}");
    }
}

#[test]
fn every_demo_segment_is_explained() {
    let text = std::fs::read_to_string(root().join("fixtures/segments/README.md")).unwrap();
    for source in sources(&["json"]).iter().filter(|s| s.path.starts_with("fixtures/segments/")) {
        let key = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        assert!(text.contains(&format!("`{key}`")), "fixtures/segments/README.md does not explain {key}");
    }
}
