//! The commands, a file each.

mod catalog;
mod check;
mod config;
mod explain;
pub(crate) mod import;
mod key;
mod list;
mod quarantine;
mod query;
mod segment;
mod serve;
mod sql;

use crate::args::{Cli, Command, Config, Format, Key, List, Quarantine, QueryOutput, Segment};
use crate::failure::Failure;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Import(args) => import::run(args).await,
        Command::Query(args) => query::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Catalog(args) => catalog::run(args).await,
        Command::Segment(command) => segment::run(command).await,
        Command::List(command) => list::run(command).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Key(command) => key::run(command).await,
        Command::Quarantine(command) => quarantine::run(command).await,
        Command::Config(command) => config::run(command).await,
    }
}

/// How the command wants its failure printed.
pub(crate) fn format(command: &Command) -> Format {
    match command {
        Command::Import(a) => a.printed.output,
        Command::Query(a) if matches!(a.output, Some(QueryOutput::Json | QueryOutput::Ndjson)) => Format::Json,
        Command::Query(_) => Format::Text,
        Command::Sql(a) => a.evaluated.output,
        Command::Explain(a) => a.evaluated.output,
        Command::Check(a) => a.output,
        Command::Config(Config::Show(a) | Config::Check(a)) => a.printed.output,
        Command::Catalog(a) => a.printed.output,
        Command::Serve(a) => a.printed.output,
        Command::Key(Key::Create { printed, .. } | Key::List { printed, .. } | Key::Revoke { printed, .. }) => printed.output,
        Command::Quarantine(Quarantine::List { printed, .. } | Quarantine::Replay { printed, .. }) => printed.output,
        Command::Segment(
            Segment::Save { printed, .. }
            | Segment::List { printed, .. }
            | Segment::Show { printed, .. }
            | Segment::Delete { printed, .. }
            | Segment::Run { printed, .. },
        ) => printed.output,
        Command::List(
            List::Import { printed, .. } | List::All { printed, .. } | List::Show { printed, .. } | List::Delete { printed, .. },
        ) => printed.output,
    }
}
