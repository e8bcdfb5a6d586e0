//! `muster config show`: every setting, its value without secrets, and where that came from.

use serde_json::{Value, json};

use crate::args::{Configuration, Format};
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

pub(super) fn run(args: &Configuration) -> Result<(), Failure> {
    let settings = context::settings(args.data.as_deref(), &args.configured, None)?;
    let shown = |value: Option<Value>| value.unwrap_or(Value::Null);
    match args.printed.output {
        Format::Json => output::json(&json!({
            "file": settings.file(),
            "settings": settings.all().map(|(key, entry)| json!({
                "key": key.path(),
                "variable": key.variable(),
                "meaning": key.meaning,
                "value": shown(entry.map(|e| e.shown())),
                "from": entry.map(|e| e.origin.to_string()),
            })).collect::<Vec<_>>(),
        })),
        Format::Text => {
            let mut table = Table::new(&["setting", "value", "from"]);
            for (key, entry) in settings.all() {
                let value = entry.map_or_else(String::new, |e| match e.shown() {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                table.row(vec![key.path(), value, entry.map_or_else(String::new, |e| e.origin.to_string())]);
            }
            let file = settings.file().map_or_else(|| "no configuration file".to_owned(), |f| f.display().to_string());
            output::text(&format!("{file}\n\n{}", table.render()))
        }
    }
}
