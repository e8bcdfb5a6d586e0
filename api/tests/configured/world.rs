//! A data directory, a configuration of the engines, and the binary to run on them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The one JSON value on standard output.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {:?} {:?}", self.out, self.err))
    }

    /// It went well.
    pub fn fine(self) -> Self {
        assert_eq!(self.code, 0, "{} {}", self.out, self.err);
        self
    }
}

/// A variable that `scripts/engines` sets.
pub fn engine(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("${name} is not set: start the engines with `make engines`, then eval \"$(scripts/engines env)\""))
}

pub struct World {
    folder: TempDir,
}

impl World {
    /// With a configuration of these engines, which names a port for Trino.
    pub fn new(trino: &str, cassandra: bool) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let mut text = format!(
            "[s3]\nendpoint = \"{}\"\nbucket = \"{}\"\naccess_key = \"{}\"\nsecret_key_file = \"s3-key\"\npath_style = true\n\
             [postgres]\nurl = \"{}\"\n[trino]\nurl = \"{trino}\"\nrequest_timeout_s = 5\nretry_for_s = 5\n\
             [router]\nbackends = [\"trino\", \"memory\"]\ntrino_start_ms = 0\nmemory_start_ms = 60000\n",
            engine("MUSTER_S3_ENDPOINT"),
            engine("MUSTER_S3_BUCKET"),
            engine("MUSTER_S3_ACCESS_KEY"),
            engine("MUSTER_POSTGRES_URL"),
        );
        if cassandra {
            text.push_str(&format!("[cassandra]\ncontact_points = [\"{}\"]\n", engine("MUSTER_CASSANDRA_CONTACT_POINTS")));
        }
        std::fs::create_dir(world.path("data")).unwrap();
        world.file("data/muster.toml", &text);
        world.file("data/s3-key", &engine("MUSTER_S3_SECRET_KEY"));
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The binary with the data directory's configuration and nothing of the environment's.
    pub fn command(&self, arguments: &[&str], settings: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.args(arguments).args(["--data", "data"]).current_dir(self.folder.path()).stdin(Stdio::null());
        for setting in settings {
            command.args(["--setting", setting]);
        }
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("MUSTER_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str], settings: &[&str]) -> Ran {
        let output = self.command(arguments, settings).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}
