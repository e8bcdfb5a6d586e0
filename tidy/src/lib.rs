//! What the tests of the house look at: the files of the repository, functions' lengths, documents' links.
//!
//! In: the working tree. Out: plain facts for `tests/*.rs` to judge. Deliberately absent: a Rust parser. Code is
//! formatted by rustfmt (which is checked too), so a function ends where a brace stands as far in as it began.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders at the root that hold nothing of ours to judge.
const PASSED_OVER: [&str; 3] = ["target", "data", ".git"];

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the root, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Every file of the repository with one of these extensions, by path. What is not UTF-8 is left out.
pub fn sources(extensions: &[&str]) -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() {
                if folder != root || !PASSED_OVER.contains(&name) {
                    folders.push(path);
                }
            } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e))
                && let (Ok(text), Ok(relative)) = (fs::read_to_string(&path), path.strip_prefix(&root))
            {
                out.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// What is in a folder; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// A function's name and how many lines it has, from its signature's first to its closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub lines: usize,
}

/// The functions of a formatted Rust file.
pub fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = indent_of(line);
        let end = lines.get(i..).and_then(|rest| {
            rest.iter().position(|l| indent_of(l) == indent && (l.ends_with(';') || l.trim_start().starts_with('}') || l.ends_with('}')))
        });
        out.push(Function { name: name.to_owned(), lines: end.map_or(lines.len() - i, |n| n + 1) });
    }
    out
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of the function whose signature begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(after) = rest.strip_prefix("pub(") {
        rest = after.split_once(") ")?.1;
    }
    for word in ["pub ", "default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name = rest.strip_prefix("fn ")?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '#').next().unwrap_or(name))
}

/// The targets of a Markdown text's links: `[words](target)`, and `(#places)` are none. Code is passed over.
pub fn links(markdown: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every other part lies between backquotes.
            let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let targets = plain.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned());
            out.extend(targets.filter(|t| !t.starts_with('#')));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let text = "pub(crate) async fn a() {\n    b();\n}\n\ntrait T {\n    fn c(\n        &self,\n    );\n    fn d() {}\n}\nfn e() -> X {\n    X {\n    }\n}\n";
        let found: Vec<(String, usize)> = functions(text).into_iter().map(|f| (f.name, f.lines)).collect();
        let expected = [("a", 3), ("c", 3), ("d", 1), ("e", 4)];
        assert_eq!(found, expected.map(|(name, lines)| (name.to_owned(), lines)));
    }

    #[test]
    fn targets() {
        let text = "a [b](c.md) [d](#e) `[f](g)` [`h`](i/j.md#k)\n```\n[l](m)\n```\n";
        assert_eq!(links(text), ["c.md", "i/j.md#k"]);
    }
}
