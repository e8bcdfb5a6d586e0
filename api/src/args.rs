//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Segments people by what they are and did: compiles trees of conditions, runs them, says who is in.
#[derive(Debug, Parser)]
#[command(name = "muster", version, propagate_version = true, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load events and users from files.
    Import(Import),
    /// Run a condition and print who meets it.
    Query(Query),
    /// Print the SQL of a condition.
    Sql(Sql),
    /// Say what a condition would read, its plan, its SQL, and each window as two instants.
    Explain(Explain),
    /// Report everything wrong with a condition, and everything suspicious.
    Check(Evaluated),
    /// Show what the workspace knows to exist, or declare more.
    Catalog(Catalog),
    /// Saved segments.
    #[command(subcommand)]
    Segment(Segment),
    /// Lists of user ids.
    #[command(subcommand)]
    List(List),
    /// Take events over HTTP and publish them, until SIGTERM.
    Serve(Serve),
    /// Keys for senders and readers.
    #[command(subcommand)]
    Key(Key),
    /// Messages that could not be accepted.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// The configuration: what holds, and whether everything it names can be reached.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The data directory, made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The address and port to listen on; serve.listen if left out.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

/// What a key is for, in the words from before scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// The scope ingest.
    Write,
    /// The scope read.
    Read,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// To collect events; a key for nothing else may be public.
    Ingest,
    /// To read segments, catalog, lists and users.
    Read,
    /// To have conditions evaluated.
    Run,
    /// To take members out.
    Export,
    /// To change segments and lists.
    Manage,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key and print it, once: only its hash is kept. Makes the workspace if need be.
    Create {
        #[command(flatten)]
        place: Place,
        /// What it is for; may be given several times. ingest if left out.
        #[arg(long = "scope", value_enum, value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// write for the scope ingest, read for read.
        #[arg(long, value_enum, conflicts_with = "scopes")]
        kind: Option<KeyKind>,
        /// From when on it opens nothing: RFC 3339, or a local time or date in the workspace's zone. Never if left out.
        #[arg(long, value_name = "T")]
        expires: Option<String>,
        /// What people call it.
        #[arg(long, value_name = "NAME", default_value = "")]
        name: String,
        #[command(flatten)]
        printed: Printed,
    },
    /// The workspace's keys, without what opens anything.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// Take a key away, by its id.
    Revoke {
        /// The key's id, which `list` shows.
        id: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// What is in quarantine, the latest first.
    List {
        #[command(flatten)]
        place: Place,
        /// Messages to show at most.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        printed: Printed,
    },
    /// Have messages read again by the server, after what was wrong is mended; those that still do not fit stay.
    Replay {
        #[command(flatten)]
        place: Place,
        /// Those of one reason; all if left out.
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        #[command(flatten)]
        printed: Printed,
    },
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Configured {
    /// The configuration file; the one that MUSTER_CONFIG names, or muster.toml in the data directory, if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A setting, over file and environment, such as trino.url=http://host:8080.
    #[arg(long = "setting", value_name = "SECTION.KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Every setting, its value without secrets, and where that came from.
    Show(Configuration),
    /// Try everything that is configured, and say what is wrong.
    Check(Configuration),
}

/// What `muster config` looks at.
#[derive(Debug, Args)]
pub(crate) struct Configuration {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The workspace.
    #[arg(long, value_name = "W", default_value = "default")]
    pub(crate) workspace: String,
    #[command(flatten)]
    pub(crate) configured: Configured,
}

/// How a command that has no format of its own prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `--output` of the commands that print one thing.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Printed {
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The workspace's IANA time zone, when the import makes it. UTC if nothing says otherwise.
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// A file of events: NDJSON, CSV or Parquet; the first two also with gzip or zstd.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Vec<PathBuf>,
    /// A file of users.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Vec<PathBuf>,
    /// Take a field from a column of another name.
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = pair)]
    pub(crate) map: Vec<(String, String)>,
    /// Give every row a field of this value.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// A recipe file, for what flags can't do: filter, rename, derive. See docs/import.md.
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Unusable rows to put up with; one more stops the import with nothing written.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_rejects: u64,
    /// The folder for the file of unusable rows; `rejects` in the data directory if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) rejects: Option<PathBuf>,
    /// Memory to use, MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(crate) memory: usize,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err("FIELD=… is needed".to_owned()),
    }
}

/// A condition evaluated at an instant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Evaluated {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The condition's JSON; - for standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) condition: PathBuf,
    /// The instant of evaluation: RFC 3339, or a local time or date in the workspace's zone. Now if left out.
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
    /// How to print; `check` prints JSON always.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

/// Which engine, and how much of the machine it may use.
#[derive(Debug, Clone, Args)]
pub(crate) struct Engine {
    /// The backend: parquet (the embedded engine), memory (plain and slow, for checking), trino or cassandra. The router picks one if
    /// left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// The SQL's shape: arms, packed-arms, subqueries, one-scan or one-scan-bounded; the backend's own rule if left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
    /// Memory that a query of the embedded engine may use before it spills to disk, MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Threads of the embedded engine.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) evaluated: Evaluated,
    #[command(flatten)]
    pub(crate) engine: Engine,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The condition's JSON; - for standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) condition: PathBuf,
    /// The instant of evaluation: RFC 3339, or a local time or date in the workspace's zone. Now if left out.
    #[arg(long, value_name = "T")]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) engine: Engine,
    /// How to print. For people if left out.
    #[arg(long, value_enum)]
    pub(crate) output: Option<QueryOutput>,
}

/// What `muster query` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryOutput {
    /// Sorted ids, one a line, nothing else.
    Ids,
    /// How many.
    Count,
    /// One object with the count, how it was found, and the ids.
    Json,
    /// One object a line: `{"user_id": …}`.
    Ndjson,
    /// A header `user_id`, then an id a line.
    Csv,
    /// A Parquet file with the column `user_id`.
    Parquet,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    #[command(flatten)]
    pub(crate) evaluated: Evaluated,
    /// The dialect: datafusion or trino.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: String,
    /// The SQL's shape: arms (if left out), packed-arms, subqueries, one-scan or one-scan-bounded.
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Catalog {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A declaration to add; - for standard input. Makes the workspace if need be.
    #[arg(long, value_name = "FILE")]
    pub(crate) set: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Segment {
    /// Save a condition under a key.
    Save {
        /// The segment's key.
        key: String,
        #[command(flatten)]
        place: Place,
        /// The condition's JSON; - for standard input.
        #[arg(long, value_name = "FILE|-")]
        condition: PathBuf,
        #[command(flatten)]
        printed: Printed,
    },
    /// All saved segments.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// One segment's condition.
    Show {
        /// The segment's key.
        key: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// Delete a segment that no other refers to.
    Delete {
        /// The segment's key.
        key: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// Evaluate saved segments and print a table: sizes, times, what was read and what was not.
    Run {
        /// The segments' keys; all of them if left out.
        keys: Vec<String>,
        #[command(flatten)]
        place: Place,
        /// The instant of evaluation, as for `query`.
        #[arg(long, value_name = "T")]
        as_of: Option<String>,
        #[command(flatten)]
        engine: Engine,
        #[command(flatten)]
        printed: Printed,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum List {
    /// Make or replace a list from a file: text, or CSV whose first column is the id.
    Import {
        /// The list's key.
        key: String,
        /// The file; - for standard input.
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// All lists.
    #[command(name = "list")]
    All {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// One list.
    Show {
        /// The list's key.
        key: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
    /// Delete a list that no segment refers to.
    Delete {
        /// The list's key.
        key: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        printed: Printed,
    },
}
