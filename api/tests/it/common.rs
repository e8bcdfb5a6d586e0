//! A data directory, files beside it, and the binary to run on them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct World {
    folder: TempDir,
}

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The one JSON object on standard error.
    pub fn error(&self) -> Value {
        serde_json::from_str(&self.err).unwrap_or_else(|e| panic!("{e}: {:?}", self.err))
    }

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

impl World {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With users `u000000` and so on.
    pub fn with_users(count: usize) -> Self {
        let world = Self::new();
        let lines: Vec<String> = (0..count).map(|i| format!(r#"{{"user_id":"u{i:06}","attributes":{{"n":{i}}}}}"#)).collect();
        world.file("users.ndjson", lines.join("\n"));
        world.run(&["import", "--data", "data", "--users", "users.ndjson"]).fine();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The binary, in the folder, without standard input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_muster"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// A program, in the folder.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Without the engines that a shell may have settings of.
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("MUSTER_")) {
            command.env_remove(name);
        }
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(&self.command(arguments).output().unwrap())
    }

    /// Runs with more at the end of every command: the data directory, and a backend that every build has.
    pub fn query(&self, condition: &str, more: &[&str]) -> Ran {
        self.file("condition.json", condition);
        let mut arguments = vec!["query", "--data", "data", "--backend", "memory", "--condition", "condition.json"];
        arguments.extend(more);
        self.run(&arguments)
    }
}

/// The exit code of a child, which ends soon.
pub fn code(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it goes on and on");
}

/// Sends Ctrl-C.
pub fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
