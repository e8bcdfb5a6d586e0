//! Accepted, refused and found, as RE2 does; the tables were compared with RE2 itself.

use proptest::prelude::*;
use regex::Regex;

use super::Pattern;
use crate::limits;

fn pattern(source: &str) -> Pattern {
    Pattern::parse(source).unwrap_or_else(|error| panic!("{source:?}: {error}"))
}

fn refusal(source: &str) -> String {
    match Pattern::parse(source) {
        Ok(pattern) => panic!("{source:?} is read as {:?}", pattern.portable()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn finds_what_re2_finds() {
    let found = [
        ("", ""),
        ("b", "abc"),
        (r"^\d+$", "2024"),
        (r"\Aab\z", "ab"),
        (r"(?m)^b$", "a\nb\nc"),
        (r"(?m)^$", "a\n"),
        (r"(?s)a.b", "a\nb"),
        (r"(?i)k", "\u{212A}"),
        (r"(?i)\x{212A}", "k"),
        (r"(?i)straße", "STRAẞE"),
        (r"(?i)[a-z]", "\u{17F}"),
        (r"(?i)\w", "\u{17F}"),
        (r"(?i:A)b", "ab"),
        (r"(?i)a(?-i)b", "Ab"),
        (r"(a(?i)b|c)d", "aCd"),
        (r"\bcafé", "un café"),
        (r"caf\b", "café"),
        (r"\B", "aéa"),
        (r"\B\B", "aéa"),
        (r"x*\B", "aéa"),
        (r"\W", "é"),
        (r"\S", "\u{B}"),
        (r"[[:space:]]", "\u{B}"),
        (r"[[:^alpha:]]", "é"),
        (r"[[:word:]]", "_"),
        (r"\pN", "Ⅻ"),
        (r"\p{Greek}", "α"),
        (r"\P{^Greek}", "α"),
        (r"[^\PL]", "é"),
        (r"\p{Mn}", "\u{1171E}"),
        (r"\Qa.b\E+", "a.bb"),
        (r"\Q\\E", "\\"),
        (r"\141\0\x62\x{63}", "a\0bc"),
        (r"\08", "\08"),
        (r"\a\f\t\n\r\v", "\x07\x0C\t\n\r\x0B"),
        (r"\_\-\<", "_-<"),
        (r"a{,2}", "a{,2}"),
        (r"x{a", "x{a"),
        (r"x{01}", "x{01}"),
        (r"x{9999999999}", "x{9999999999}"),
        (r"^a{2,3}?$", "aaa"),
        (r"[]a]", "]"),
        (r"[^]a]", "b"),
        (r"[a-]", "-"),
        (r"[--]", "-"),
        (r"[a&&b]", "&"),
        (r"^[a[b]]$", "[]"),
        (r"[[:alpha]", ":"),
        (r"a*(?i)*b", "B"),
        (r"^*a", "ba"),
        (r"[\x{D7FF}-\x{E000}]", "\u{E000}"),
        (r"[^\x{D800}]", "a"),
        (r"(?P<n>a)(?P<n>b)", "ab"),
        (r"(?<né_1>a)", "a"),
        (r"(?U)a+?b", "aab"),
    ];
    for (source, text) in found {
        assert!(pattern(source).is_match(text), "{source:?} in {text:?}");
    }
}

#[test]
fn finds_nothing_where_re2_finds_nothing() {
    let not_found = [
        ("a$", "a\n"),
        ("^b", "a\nb"),
        ("a.b", "a\nb"),
        (r"\d", "١"),
        (r"\w", "é"),
        (r"\s", "\u{B}"),
        (r"\s", "\u{A0}"),
        (r"é\b", "é"),
        (r"\B", "a"),
        (r"\B$", "aéa"),
        ("k", "K"),
        (r"[Kk]", "\u{212A}"),
        (r"(?i)ß", "SS"),
        (r"(?i)\W", "\u{212A}"),
        (r"(?i)[^k]", "\u{212A}"),
        (r"(?i)\P{Lu}", "a"),
        (r"\x{D800}", "\u{FFFD}"),
        (r"[^\x00-\x{10FFFF}]", "a"),
        (r"\PL\pL", "é"),
        (r"\pC", "\u{378}"),
        (r"a{2}", "a"),
    ];
    for (source, text) in not_found {
        assert!(!pattern(source).is_match(text), "{source:?} in {text:?}");
    }
}

#[test]
fn refuses_what_re2_refuses() {
    let refused = [
        "*",
        "a|*",
        "(*)",
        "(?i)*",
        "a**",
        "a*+",
        "a++",
        "a??+",
        "a{2}{3}",
        "a{2}*",
        "{2}",
        "a{1001}",
        "a{2,1001}",
        "a{3,2}",
        "((a{100}){100})",
        "(",
        "(a",
        ")",
        "a)",
        "(?",
        "(?i",
        "(?x)a",
        "(?-)",
        "(?i-)",
        "(?i-s-m)",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?>a)",
        "(?#a)",
        "(?P=n)",
        "(?P>n)",
        "(?P<n",
        "(?P<>a)",
        "(?<a b>c)",
        "(?'n'a)",
        "[",
        "[]",
        "[^]",
        "[a",
        "[z-a]",
        r"[a-\d]",
        r"[\b]",
        r"[\Qa\E]",
        "[[:foo:]]",
        "[[:alph:]]",
        r"\",
        r"\1",
        r"\12x(",
        r"\8",
        r"\18",
        r"(a)\1",
        r"\x",
        r"\x4",
        r"\xg1",
        r"\x{}",
        r"\x{110000}",
        r"\x{41",
        r"\u0041",
        r"\U",
        r"\Z",
        r"\G",
        r"\K",
        r"\R",
        r"\h",
        r"\H",
        r"\X",
        r"\N",
        r"\e",
        r"\cA",
        r"\q",
        r"\E",
        r"\é",
        r"\k<n>",
        r"\b{start}x{1001}",
        r"\p",
        r"\p{",
        r"\pX",
        r"\p{Foo}",
        r"\p{greek}",
        r"\p{Cn}",
        r"\p{LC}",
        r"\p{sc=Greek}",
        r"\p{Alphabetic}",
        r"\p{Todhri}",
        r"\p{}",
        r"\p{^}",
        r"\pé",
    ];
    for source in refused {
        refusal(source);
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    assert_eq!(refusal("éa**"), "bad repetition operator: `**` at character 2");
    assert_eq!(refusal("ab(c"), "missing closing ): `(` at character 2");
    assert_eq!(refusal("a[b"), "missing closing ]: `[` at character 1");
    assert_eq!(refusal(r"a\Zb"), r"invalid escape sequence: `\Z` at character 1");
    assert_eq!(refusal(r"(a)\1"), r"backreferences are not in RE2's syntax: `\1` at character 3");
    assert_eq!(refusal("(?<=a)b"), "looking ahead or behind is not in RE2's syntax: `(?<=` at character 0");
    assert_eq!(refusal(r"\p{greek}"), r"unknown character class: `\p{greek}` at character 0");
    assert_eq!(refusal(r"x\C"), r"`\C` matches one byte, and texts here are characters at character 1");
    assert_eq!(Pattern::parse("a{1001}").unwrap_err().offset(), Some(1));
}

#[test]
fn size_is_bounded() {
    for accepted in [".{1000}", r"\pL{100}", "(?:.{0,100}x){9}", "(?:(?:a{10}){10}){10}"] {
        pattern(accepted);
    }
    assert!(refusal(&"a".repeat(limits::PATTERN_SOURCE_BYTES_MAX + 1)).starts_with("longer than"));
    assert!(refusal(&r"\pL".repeat(100)).starts_with("more than"));
    assert!(refusal(r"\PL{100}").starts_with("takes more than"));
    let nested = |levels: usize| format!("{}a{}", "(x(y|z".repeat(levels), ")*)".repeat(levels));
    assert!(refusal(&nested(limits::PATTERN_DEPTH_MAX)).starts_with("nested more than"));
    let deepest = (1..limits::PATTERN_DEPTH_MAX).rev().find_map(|levels| Pattern::parse(&nested(levels)).ok()).unwrap();
    assert!(Regex::new(deepest.portable()).is_ok());
    pattern(&format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000)));
}

#[test]
fn portable_text_is_explicit() {
    let check = |source: &str, rust: &str, java: &str| {
        let pattern = pattern(source);
        assert_eq!((pattern.portable(), pattern.portable_java()), (rust, java), "{source:?}");
    };
    check(r"^a.c$", r"\Aa[^\x0A]c\z", r"\Aa[^\x0A]c(?!(?s:.))");
    check(r"(?i)K|é+?", r"[Kk\x{212A}]|[\x{C9}\x{E9}]+", "[Kk\u{212A}]|[Éé]+");
    check(r"(?P<n>a|b)*(?s).[^\s-]", r"(?:a|b)*(?s:.)[^\x09\x0A\x0C\x0D\x20\x2D]", r"(?:a|b)*(?s:.)[^\x09\x0A\x0C\x0D\x20\x2D]");
    check(r"(?m)^ü{2,}$", r"(?m:^)\x{FC}{2,}(?m:$)", r"(?<![^\x0A])ü{2,}(?![^\x0A])");
    check(r"\ba\Q+\E", r"(?-u:\b)a\+", r"(?:(?<=[0-9A-Za-z\x5F])(?![0-9A-Za-z\x5F])|(?<![0-9A-Za-z\x5F])(?=[0-9A-Za-z\x5F]))a\+");
    check("(?:a*)+|(?:^)*|b{1}|[^\\x00-\\x{10FFFF}]", r"a*|(?:)|b|[^\x{0}-\x{10FFFF}]", r"a*|(?:)|b|(?!)");
    assert_eq!(pattern(r"a\B").portable(), r"a(?-u:\B)");
    assert_eq!(pattern(r"\B").portable(), r"\B|[^\x00-\x7F]");
}

#[test]
fn ignores_case_by_lower_case() {
    let check = |source: &str, text: &str, expected: bool| {
        let pattern = Pattern::parse_ignoring_case(source).unwrap_or_else(|error| panic!("{source:?}: {error}"));
        assert_eq!(pattern.is_match(text), expected, "{source:?} in {text:?}");
    };
    check("^AbC$", "aBc", true);
    check("k", "\u{212A}", true);
    check("s", "\u{17F}", false);
    check("(?i)s", "\u{17F}", true);
    check("(?-i)s", "S", false);
    check("ß", "ẞ", true);
    check("i", "İ", true);
    check("σ", "Σ", true);
    check("σ", "ς", false);
    check("[a-c]x", "BX", true);
    check("[^k]", "K", false);
    check(r"\P{Lu}", "a", false);
    check(r"\d", "1", true);
}

#[test]
fn equal_by_source() {
    assert_eq!(pattern("a"), pattern("a").clone());
    assert_ne!(pattern("a"), pattern("[a]"));
    assert_ne!(pattern("a"), Pattern::parse_ignoring_case("a").unwrap());
    assert_eq!(format!("{:?}", pattern("a+")), r#"Pattern("a+")"#);
}

fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "a",
        "k",
        "_",
        "é",
        "ſ",
        "\n",
        " ",
        ".",
        "^",
        "$",
        "|",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?m)",
        "(?s:",
        "(?-i:",
        "*",
        "+",
        "?",
        "{2}",
        "{0,1}",
        "{",
        r"\b",
        r"\B",
        r"\w",
        r"\W",
        r"\S",
        r"\pL",
        r"\P{Lu}",
        "[a-k]",
        "[^k]",
        "[[:^word:]]",
        "[",
        "]",
        "-",
        r"\x{10FFFF}",
        r"\z",
        r"\A",
    ]);
    prop::collection::vec(fragment, 0..10).prop_map(|parts| {
        let open = parts.iter().filter(|part| part.starts_with('(') && !part.ends_with(')')).count();
        parts.concat() + &")".repeat(open.saturating_sub(parts.iter().filter(|part| **part == ")").count()))
    })
}

proptest! {
    #[test]
    fn never_panics(source in any::<String>()) {
        let _ = Pattern::parse(&source);
    }

    #[test]
    fn never_panics_on_syntax(source in r"[\\\[\](){}?*+|^$.:<>=!PpQEx0-9,imsU^a&-]{0,24}") {
        let _ = Pattern::parse(&source);
    }

    #[test]
    fn portable_text_agrees(source in fragments(), texts in prop::collection::vec("[akKſé_ \n]{0,5}", 1..8)) {
        if let Ok(pattern) = Pattern::parse(&source) {
            let rust = Regex::new(pattern.portable()).unwrap();
            let again = Pattern::parse(pattern.source()).unwrap();
            prop_assert_eq!(again.portable_java(), pattern.portable_java());
            for text in texts {
                prop_assert_eq!(rust.is_match(&text), pattern.is_match(&text), "{:?} in {:?}", source, text);
                prop_assert_eq!(rust.find(&text).is_some(), pattern.is_match(&text), "{:?} in {:?}", source, text);
            }
        }
    }
}
