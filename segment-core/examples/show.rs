//! Prints the SQL of a condition in both dialects. Development aid: `cargo run --example show < condition.json`.
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::Type;
use segment_core::{compile, dialect, lower, resolve};
fn main() {
    let mut c = Catalog::new("Europe/London");
    c.set_field(Scope::Attribute, "country", &Type::String, Origin::Declared).unwrap();
    c.set_field(Scope::Attribute, "age", &Type::Integer, Origin::Declared).unwrap();
    c.set_field(Scope::Property, "amount", &Type::Number, Origin::Declared).unwrap();
    c.set_field(Scope::Property, "tags", &Type::Strings, Origin::Declared).unwrap();
    c.set_field(Scope::Property, "items", &Type::Objects([("sku".to_owned(), Type::String)].into()), Origin::Declared).unwrap();
    c.set_event("purchase", ["amount"], Origin::Declared);
    c.set_event("view", [], Origin::Declared);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).unwrap();
    let library = resolve::Library::default();
    let checked = compile::check(&text, &c, &library, 1_700_000_000_000_000);
    for d in &checked.diagnostics { println!("FAULT {:?} {} {} {:?}", d.code, d.pointer, d.message, d.hint); }
    for d in &checked.warnings { println!("WARN {:?} {} {}", d.code, d.pointer, d.message); }
    let Some(plan) = checked.plan else { return };
    let tables = lower::Tables { events: vec!["events".into()], profiles: vec!["profiles".into()], lists: Default::default() };
    for name in dialect::NAMES {
        let d = dialect::named(name).unwrap();
        for s in lower::Strategy::ALL {
            let l = compile::lowered(&plan, d.as_ref(), &tables, s).unwrap();
            println!("-- {name} {}\n{:#}\n", s.name(), l.query);
        }
    }
}
