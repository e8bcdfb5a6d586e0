//! Precedence, secrets, what goes together; and that the table of keys fits the types and the page.

use std::collections::BTreeSet;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use store::Secret;

use super::keys::{KEYS, SECTIONS};
use super::*;

/// Sources with a file's text, variables and `--setting`s.
fn sources(dir: &Path, text: &str, variables: &[(&str, &str)], settings: &[&str]) -> Sources {
    let file = dir.join("muster.toml");
    std::fs::write(&file, text).unwrap();
    Sources {
        file: Some(file),
        variables: variables.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        settings: settings.iter().map(|s| (*s).to_owned()).collect(),
        ..Sources::default()
    }
}

/// What holds for a key, and where it came from.
fn held(settings: &Settings, path: &str) -> (String, String) {
    let (_, entry) = settings.all().find(|(k, _)| k.path() == path).unwrap();
    let entry = entry.unwrap();
    (entry.shown().to_string(), entry.origin.to_string())
}

#[test]
fn the_later_wins() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[s3]\nregion = \"a\"\nbucket = \"b\"\n\n[parquet]\nmemory_mib = 1\nthreads = 2\n";
    let mut sources = sources(dir.path(), text, &[("MUSTER_S3_BUCKET", "c"), ("MUSTER_PARQUET_THREADS", "3")], &["parquet.threads=4"]);
    sources.flags.push(("--memory", ("parquet", "memory_mib"), "9".to_owned()));
    let settings = sources.load().unwrap();
    let file = dir.path().join("muster.toml");
    for (key, value, origin) in [
        ("s3.region", "\"a\"", format!("{}:2", file.display())),
        ("s3.bucket", "\"c\"", "$MUSTER_S3_BUCKET".to_owned()),
        ("s3.path_style", "false", "default".to_owned()),
        ("parquet.threads", "4", "--setting parquet.threads".to_owned()),
        ("parquet.memory_mib", "9", "--memory".to_owned()),
    ] {
        assert_eq!(held(&settings, key), (value.to_owned(), origin), "{key}");
    }
    assert_eq!(settings.parquet().memory_mib, 9);
}

#[test]
fn the_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let [named, variable, data] = ["named.toml", "variable.toml", "muster.toml"].map(|n| dir.path().join(n));
    for (path, region) in [(&named, "named"), (&variable, "variable"), (&data, "data")] {
        std::fs::write(path, format!("[s3]\nregion = \"{region}\"")).unwrap();
    }
    let of_data = Sources { data: Some(dir.path().to_owned()), ..Sources::default() };
    let of_variable = Sources { variables: vec![(CONFIG_VARIABLE.into(), variable.clone().into())], ..of_data.clone() };
    let of_flag = Sources { file: Some(named.clone()), ..of_variable.clone() };
    for (sources, region, path) in [(of_flag, "named", &named), (of_variable, "variable", &variable), (of_data, "data", &data)] {
        let settings = sources.load().unwrap();
        assert_eq!((settings.text("s3.region"), settings.file()), (Some(region), Some(path.as_path())));
    }
    let nowhere = Sources { data: Some(dir.path().join("nothing")), ..Sources::default() };
    assert_eq!(nowhere.load().unwrap().file(), None);
    let missing = Sources { file: Some(dir.path().join("missing.toml")), ..Sources::default() };
    assert_eq!(missing.load().unwrap_err().len(), 1);
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "hunter2\n").unwrap();
    let text = "[s3]\naccess_key = \"a\"\nsecret_key_file = \"key\"\n[postgres]\nurl = \"postgres://u:hunter2@h/d\"";
    let settings = sources(dir.path(), text, &[], &["s3.bucket=b"]).load().unwrap();
    let lake = settings.store.lake.as_ref().unwrap();
    assert_eq!(lake.s3.secret_key.as_ref().map(Secret::reveal), Some("hunter2"));
    assert_eq!((lake.warehouse.as_str(), lake.catalog_name.as_str()), ("s3://b/warehouse", "muster"));
    let (_, origin) = held(&settings, "s3.secret_key");
    assert_eq!(origin, format!("{}, named by {}:3", dir.path().join("key").display(), dir.path().join("muster.toml").display()));
    for (key, entry) in settings.all() {
        assert!(!entry.is_some_and(|e| e.shown().to_string().contains("hunter2")), "{}", key.path());
    }
    assert!(!format!("{:?}", settings.store).contains("hunter2"));
    // The environment wins, and then the file need not be there.
    let text = "[s3]\naccess_key = \"a\"\nsecret_key_file = \"missing\"";
    assert!(sources(dir.path(), text, &[("MUSTER_S3_SECRET_KEY", "x")], &[]).load().is_ok());
    let faults = sources(dir.path(), text, &[], &[]).load().unwrap_err();
    assert!(faults.iter().any(|f| f.to_string().contains("cannot read")), "{faults:?}");
    // Faults don't show them either.
    let text = "[postgres]\nurl = \"hunter2\"";
    let faults = sources(dir.path(), text, &[("MUSTER_TRINO_PASSWORD", "hunter2"), ("MUSTER_S3_SECRET_KEY", "hunter2")], &[]).load();
    assert!(!format!("{:?}", faults.unwrap_err()).contains("hunter2"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, fault) in [
        (&["s3.access_key=a"][..], "--setting s3.access_key: s3.access_key needs s3.secret_key beside it"),
        (&["lake.warehouse=s3://b/w"], "--setting lake.warehouse: a lake there needs a catalog: postgres.url is not set"),
        (&["trino.user=a"], "--setting trino.user: trino.user counts for nothing without trino.url"),
        (&["cassandra.replicas=2"], "--setting cassandra.replicas: cassandra.replicas counts for nothing without cassandra.contact_points"),
        (
            &["trino.url=https://h", "trino.password=a", "trino.token=b"],
            "--setting trino.token: trino.password is given as well, by --setting trino.password; Trino takes one of them",
        ),
        (
            &["trino.ulr=a"],
            "--setting trino.ulr: there is no such setting (did you mean \"trino.url\" or \"trino.user\" or \"trino.ca_file\"?)",
        ),
        (
            &["router.backends=oracle"],
            "--setting router.backends: router.backends is refused: it has to be a list of parquet, memory, trino, cassandra",
        ),
    ] {
        let faults = sources(dir.path(), "", &[], settings).load().unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [fault]);
    }
    let both = sources(dir.path(), "[trino]\nurl = \"https://h\"\npassword = \"a\"\npassword_file = \"b\"", &[], &[]).load();
    assert!(both.unwrap_err()[0].message.starts_with("trino.password is given twice"));
    let unknown = sources(dir.path(), "", &[("MUSTER_TRINO_URLL", "x"), ("MUSTER_DEMO_DATA", "x")], &[]).load().unwrap_err();
    assert_eq!(
        unknown[0].to_string(),
        "$MUSTER_TRINO_URLL: there is no such setting (did you mean \"MUSTER_TRINO_URL\" or \"MUSTER_TRINO_USER\" or \"MUSTER_TRINO_CATALOG\"?)"
    );
    assert_eq!(unknown.len(), 1);
}

#[test]
fn what_the_engines_print_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"
        [cassandra]
        contact_points = ["127.0.0.1:9042"]
        local_datacenter = "datacenter1"
        [postgres]
        url = "postgres://muster:muster@127.0.0.1:5432/muster"
        [s3]
        endpoint = "http://127.0.0.1:7070"
        region = "us-east-1"
        bucket = "muster"
        access_key = "muster"
        secret_key = "muster-secret"
        path_style = true
        [trino]
        url = "http://127.0.0.1:8080"
        user = "muster"
        catalog = "lake"
    "#;
    let from_file = sources(dir.path(), text, &[], &[]).load().unwrap();
    let variables = [
        ("MUSTER_ENGINES_DIR", "x"),
        ("MUSTER_CASSANDRA_CONTACT_POINTS", "127.0.0.1:9042"),
        ("MUSTER_CASSANDRA_LOCAL_DATACENTER", "datacenter1"),
        ("MUSTER_POSTGRES_URL", "postgres://muster:muster@127.0.0.1:5432/muster"),
        ("MUSTER_S3_ENDPOINT", "http://127.0.0.1:7070"),
        ("MUSTER_S3_REGION", "us-east-1"),
        ("MUSTER_S3_BUCKET", "muster"),
        ("MUSTER_S3_ACCESS_KEY", "muster"),
        ("MUSTER_S3_SECRET_KEY", "muster-secret"),
        ("MUSTER_S3_PATH_STYLE", "true"),
        ("MUSTER_TRINO_URL", "http://127.0.0.1:8080"),
        ("MUSTER_TRINO_USER", "muster"),
        ("MUSTER_TRINO_CATALOG", "lake"),
    ];
    let from_variables = sources(dir.path(), "", &variables, &[]).load().unwrap();
    assert_eq!(from_file.store, from_variables.store);
    assert!(from_file.store.lake.is_some() && from_file.store.cassandra.is_some());
    #[cfg(feature = "trino")]
    assert!(from_file.trino.is_some() && from_file.trino == from_variables.trino);
}

/// A deserializer that only looks which fields a struct asks for.
struct Fields<'a>(&'a mut BTreeSet<&'static str>);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], _: V) -> Result<V::Value, Self::Error> {
        self.0.extend(fields);
        Err(de::Error::custom("looked at"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[test]
fn keys_are_the_fields_of_the_types() {
    fn same<'de, T: Deserialize<'de>>(section: &str) {
        let mut fields = BTreeSet::new();
        assert!(T::deserialize(Fields(&mut fields)).is_err());
        let keys: BTreeSet<&str> = KEYS.iter().filter(|k| k.section == section).map(|k| k.name).collect();
        assert_eq!(keys, fields, "[{section}]");
    }
    same::<store::S3Config>("s3");
    same::<store::CassandraConfig>("cassandra");
    #[cfg(feature = "trino")]
    same::<query_backends::TrinoConfig>("trino");
}

#[test]
fn defaults_are_those_of_the_types() {
    let dir = tempfile::tempdir().unwrap();
    let settings = sources(dir.path(), "", &[], &["cassandra.contact_points=a", "postgres.url=postgres://h", "s3.bucket=b"]);
    let settings = settings.load().unwrap();
    let bare: store::CassandraConfig = serde_json::from_str(r#"{"contact_points": ["a"]}"#).unwrap();
    assert_eq!(settings.store.cassandra, Some(bare));
    let bare: store::S3Config = serde_json::from_str(r#"{"bucket": "b"}"#).unwrap();
    assert_eq!(settings.store.lake.map(|l| l.s3), Some(bare));
    #[cfg(feature = "trino")]
    {
        let settings = sources(dir.path(), "", &[], &["trino.url=http://h"]).load().unwrap();
        let bare: query_backends::TrinoConfig = serde_json::from_str(r#"{"url": "http://h", "user": "muster"}"#).unwrap();
        assert_eq!(settings.trino, Some(bare));
    }
    #[cfg(feature = "parquet")]
    {
        let settings = sources(dir.path(), "", &[], &[]).load().unwrap();
        let (parquet, defaults) = (settings.parquet(), query_backends::ParquetConfig::default());
        assert_eq!(parquet.memory_mib << 20, defaults.memory_bytes_max as u64);
        assert_eq!((parquet.spill_mib << 20, parquet.footers_mib << 20), (defaults.spill_bytes_max, defaults.footer_bytes_max as u64));
    }
}

/// The tables of docs/configuration.md, as the keys say them.
fn page() -> String {
    let mut page = String::new();
    for section in SECTIONS {
        page.push_str(&format!("### [{section}]\n\n| key | is | default | |\n|---|---|---|---|\n"));
        for key in KEYS.iter().filter(|k| k.section == section) {
            let default = key.default.map_or_else(String::new, |d| format!("`{d}`"));
            let file =
                if key.kind.is_secret() { format!("; or `{}{}`, a file with it", key.name, keys::FILE_SUFFIX) } else { String::new() };
            page.push_str(&format!("| `{}` | {}{file} | {default} | {} |\n", key.name, key.kind.describe(), key.meaning));
        }
        page.push('\n');
    }
    page
}

#[test]
fn the_page_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- keys -->\n\n", "<!-- end of keys -->");
    let tables = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(tables, _)| tables);
    // A build with fewer engines has another default there.
    let expected = page().replace("`memory,trino,cassandra`", "`parquet,trino,cassandra`");
    assert_eq!(tables, Some(expected.as_str()), "docs/configuration.md lacks, between its markers:\n{expected}");
}
