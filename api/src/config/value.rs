//! Values of keys: read from text or TOML, checked against the key's kind, shown without secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;
use toml::de::DeValue;

use super::keys::Kind;

/// A value that fits its key's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Path(PathBuf),
    Boolean(bool),
    Integer(u64),
    Texts(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// Reads text, as from the environment or a flag.
pub(crate) fn from_text(kind: Kind, text: &str) -> Result<Value, String> {
    let parts = || text.split(',').map(str::trim).filter(|p| !p.is_empty());
    let value = match kind {
        Kind::Text | Kind::Secret | Kind::Url(_) | Kind::SecretUrl(_) => Value::Text(text.to_owned()),
        Kind::Path => Value::Path(PathBuf::from(text)),
        Kind::Boolean => Value::Boolean(text.trim().parse().map_err(|_| refused(kind))?),
        Kind::Integer(..) => Value::Integer(text.trim().parse().map_err(|_| refused(kind))?),
        Kind::Texts | Kind::Choices(_) => Value::Texts(parts().map(str::to_owned).collect()),
        Kind::Map => {
            let pairs = parts().map(|p| p.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
            Value::Map(pairs.collect::<Option<_>>().ok_or("it has to be name=value, with commas between")?)
        }
    };
    checked(kind, value)
}

/// Reads a value of a TOML file.
pub(crate) fn from_toml(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let text = |v: &DeValue<'_>| v.as_str().map(str::to_owned).ok_or_else(|| refused(kind));
    let value = match kind {
        Kind::Text | Kind::Secret | Kind::Url(_) | Kind::SecretUrl(_) => Value::Text(text(value)?),
        Kind::Path => Value::Path(PathBuf::from(text(value)?)),
        Kind::Boolean => Value::Boolean(value.as_bool().ok_or_else(|| refused(kind))?),
        Kind::Integer(..) => {
            let number = value.as_integer().and_then(|n| u64::from_str_radix(&n.as_str().replace('_', ""), n.radix()).ok());
            Value::Integer(number.ok_or_else(|| refused(kind))?)
        }
        Kind::Texts | Kind::Choices(_) => {
            let items = value.as_array().ok_or_else(|| refused(kind))?;
            Value::Texts(items.iter().map(|v| text(v.get_ref())).collect::<Result<_, _>>()?)
        }
        Kind::Map => {
            let table = value.as_table().ok_or_else(|| refused(kind))?;
            let pairs = table.iter().map(|(k, v)| Ok((k.get_ref().to_string(), text(v.get_ref())?)));
            Value::Map(pairs.collect::<Result<_, String>>()?)
        }
    };
    checked(kind, value)
}

fn refused(kind: Kind) -> String {
    format!("it has to be {}", kind.describe())
}

fn checked(kind: Kind, value: Value) -> Result<Value, String> {
    let fits = match (kind, &value) {
        (Kind::Integer(least, most), Value::Integer(n)) => (least..=most).contains(n),
        (Kind::Url(schemes) | Kind::SecretUrl(schemes), Value::Text(t)) => {
            schemes.iter().any(|s| t.strip_prefix(s).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')))
        }
        (Kind::Choices(of), Value::Texts(items)) => !items.is_empty() && items.iter().all(|i| of.contains(&i.as_str())),
        (Kind::Texts, Value::Texts(items)) => items.iter().all(|i| !i.is_empty()),
        (_, Value::Text(t)) => !t.is_empty() && !t.contains('\0'),
        (_, Value::Path(p)) => !p.as_os_str().is_empty(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(refused(kind)) }
}

/// What stands where a secret is.
const HIDDEN: &str = "***";

impl Value {
    /// As JSON, secrets included: to make typed settings of.
    pub(crate) fn json(&self) -> Json {
        match self {
            Value::Text(t) => Json::String(t.clone()),
            Value::Path(p) => Json::String(p.to_string_lossy().into_owned()),
            Value::Boolean(b) => Json::Bool(*b),
            Value::Integer(n) => Json::from(*n),
            Value::Texts(items) => items.iter().cloned().map(Json::String).collect(),
            Value::Map(pairs) => Json::Object(pairs.iter().map(|(k, v)| (k.clone(), Json::String(v.clone()))).collect()),
        }
    }

    /// As JSON for whoever looks: without secrets.
    pub(crate) fn shown(&self, kind: Kind) -> Json {
        match (kind, self) {
            (Kind::Secret, _) => Json::String(HIDDEN.to_owned()),
            (Kind::Url(_) | Kind::SecretUrl(_), Value::Text(url)) => Json::String(without_password(url)),
            _ => self.json(),
        }
    }
}

/// An address without the password that may be in it, and without parameters, which may be one.
pub(crate) fn without_password(url: &str) -> String {
    let (url, parameters) = url.split_once('?').map_or((url, false), |(url, _)| (url, true));
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
    let authority = match authority.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let path = path.map_or_else(String::new, |p| format!("/{p}"));
    format!("{scheme}://{authority}{path}{}", if parameters { "?***" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden() {
        for (url, shown) in [
            ("postgres://u:p@h:5/d", "postgres://u:***@h:5/d"),
            ("postgres://u:p@ss@h/d?password=x", "postgres://u:***@h/d?***"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("http://h:8080", "http://h:8080"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let secret = Value::Text("hunter2".to_owned());
        assert_eq!(secret.shown(Kind::Secret), Json::String("***".to_owned()));
    }

    #[test]
    fn text_and_toml_come_to_the_same() {
        for (kind, text, toml) in [
            (Kind::Integer(1, 9), "7", "7"),
            (Kind::Boolean, "true", "true"),
            (Kind::Texts, "a:1, b", "[\"a:1\", \"b\"]"),
            (Kind::Map, "a=1,b=x=y", "{a = \"1\", b = \"x=y\"}"),
            (Kind::Url(&["http://"]), "http://h", "\"http://h\""),
            (Kind::Path, "a/b", "\"a/b\""),
        ] {
            let parsed = DeValue::parse(toml).unwrap();
            assert_eq!(from_text(kind, text), from_toml(kind, parsed.get_ref()), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (kind, text) in [
            (Kind::Integer(1, 9), "0"),
            (Kind::Integer(1, 9), "10"),
            (Kind::Integer(0, u64::MAX), "-1"),
            (Kind::Boolean, "yes"),
            (Kind::Text, ""),
            (Kind::Url(&["http://"]), "ftp://h"),
            (Kind::Url(&["http://"]), "http://"),
            (Kind::Choices(&["a"]), "b"),
            (Kind::Choices(&["a"]), ""),
            (Kind::Map, "a"),
        ] {
            assert!(from_text(kind, text).is_err(), "{text:?}");
        }
        for toml in ["1.5", "\"1\"", "1979-05-27", "[1]"] {
            assert!(from_toml(Kind::Integer(0, 9), DeValue::parse(toml).unwrap().get_ref()).is_err(), "{toml}");
        }
    }
}
