//! RE2's named sets and its case folding.
//!
//! Perl's and POSIX's are ASCII. General categories, scripts and folding are of the Unicode version that RE2 carries,
//! whatever newer one regex-syntax does: code points assigned later are in no set and fold to nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Ranges, both ends in them.
pub(super) type Ranges = &'static [(char, char)];

/// The code points assigned in RE2's Unicode version.
static ASSIGNED: LazyLock<ClassUnicode> = LazyLock::new(|| lookup(r"\p{age=15.1}").unwrap_or_else(ClassUnicode::empty));

/// Each pair of different characters that fold alike, both ways round, in order.
static FOLDS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let mut pairs = Vec::new();
    let mut cased = lookup(r"[\p{CWCM}\p{CWCF}]").unwrap_or_else(ClassUnicode::empty);
    cased.intersect(&ASSIGNED);
    for char in cased.iter().flat_map(|range| range.start()..=range.end()) {
        let mut alike = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
        if alike.try_case_fold_simple().is_err() {
            continue;
        }
        alike.intersect(&ASSIGNED);
        let others = alike.iter().flat_map(|range| range.start()..=range.end()).filter(|&other| other != char);
        pairs.extend(others.map(|other| (char, other)));
    }
    pairs
});

/// AHOM CONSONANT SIGN MEDIAL RA, in `Mn` until Unicode 16, the one character whose category changed then.
const MOVED_TO_MC: char = '\u{1171E}';

/// Each pair of different characters that have one simple lower case, both ways round, in order.
static LOWERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let mut groups: BTreeMap<char, Vec<char>> = BTreeMap::new();
    for char in '\0'..=char::MAX {
        // Only U+0130 has a longer lower case, and it starts with the simple one.
        let lower = char.to_lowercase().next().unwrap_or(char);
        if lower != char {
            groups.entry(lower).or_insert_with(|| vec![lower]).push(char);
        }
    }
    let pair = |group: Vec<char>| group.iter().flat_map(|&a| group.iter().map(move |&b| (a, b))).collect::<Vec<_>>();
    let mut pairs: Vec<_> = groups.into_values().flat_map(pair).filter(|(a, b)| a != b).collect();
    pairs.sort_unstable();
    pairs
});

/// Which characters are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Fold {
    /// Each only itself.
    #[default]
    None,
    /// Those with one simple folding: RE2's `(?i)`.
    Simple,
    /// Those with one simple lower case: `ignore_case`.
    Lower,
}

/// The general categories, by RE2's names; `C` has no unassigned code points, and `Cs` no characters at all.
const CATEGORIES: &str = " C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs ";

/// The scripts, by RE2's names.
const SCRIPTS: &str = " Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki \
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian \
    Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs \
    Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul \
    Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian \
    Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha \
    Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi \
    Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar \
    Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian \
    Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage \
    Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada \
    Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le \
    Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi \
    Wancho Warang_Citi Yezidi Yi Zanabazar_Square ";

const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// The set of `\d`, `\s` or `\w`, and of its negation by the upper-case letter.
pub(super) fn perl(letter: char) -> Option<Ranges> {
    match letter {
        'd' | 'D' => Some(&[('0', '9')]),
        's' | 'S' => Some(&[('\t', '\n'), ('\x0C', '\r'), (' ', ' ')]),
        'w' | 'W' => Some(WORD),
        _ => None,
    }
}

/// The set of `[:name:]`.
pub(super) fn posix(name: &str) -> Option<Ranges> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7F')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1F'), ('\x7F', '\x7F')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// `ranges` as a set.
pub(super) fn set(ranges: Ranges) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(start, end)| ClassUnicodeRange::new(start, end)))
}

/// The set of `\p{name}`: a general category, a script, or `Any`.
pub(super) fn unicode(name: &str) -> Option<ClassUnicode> {
    if name == "Any" {
        return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') || name.is_empty() {
        return None;
    }
    let word = format!(" {name} ");
    let mut set = if name == "Cs" {
        ClassUnicode::empty()
    } else if name == "C" {
        lookup(r"[\p{gc=Cc}\p{gc=Cf}\p{gc=Co}]")?
    } else if CATEGORIES.contains(&word) {
        lookup(&format!(r"\p{{gc={name}}}"))?
    } else if SCRIPTS.contains(&word) {
        lookup(&format!(r"\p{{sc={name}}}"))?
    } else {
        return None;
    };
    set.intersect(&ASSIGNED);
    let moved = ClassUnicode::new([ClassUnicodeRange::new(MOVED_TO_MC, MOVED_TO_MC)]);
    match name {
        "Mn" => set.union(&moved),
        "Mc" => set.difference(&moved),
        _ => {}
    }
    Some(set)
}

/// Adds to `set` every character that is like one in it.
pub(super) fn fold(set: &mut ClassUnicode, fold: Fold) {
    let table: &[(char, char)] = match fold {
        Fold::None => return,
        Fold::Simple => &FOLDS,
        Fold::Lower => &LOWERS,
    };
    let mut alike = Vec::new();
    for range in set.iter() {
        let first = table.partition_point(|&(char, _)| char < range.start());
        let pairs = table.iter().skip(first).take_while(|&&(char, _)| char <= range.end());
        alike.extend(pairs.map(|&(_, other)| ClassUnicodeRange::new(other, other)));
    }
    set.union(&ClassUnicode::new(alike));
}

/// The set regex-syntax reads `expression` as.
fn lookup(expression: &str) -> Option<ClassUnicode> {
    let kind = regex_syntax::parse(expression).ok()?.into_kind();
    if let HirKind::Literal(literal) = &kind {
        let char = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
        return Some(ClassUnicode::new([ClassUnicodeRange::new(char, char)]));
    }
    if let HirKind::Class(Class::Unicode(set)) = kind { Some(set) } else { None }
}
