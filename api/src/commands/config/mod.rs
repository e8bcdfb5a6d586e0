//! `muster config`: what holds, and whether it works.

mod check;
mod show;
#[cfg(feature = "trino")]
mod trino;

use crate::args::Config;
use crate::failure::Failure;

pub(super) async fn run(command: Config) -> Result<(), Failure> {
    match command {
        Config::Show(args) => show::run(&args),
        Config::Check(args) => check::run(&args).await,
    }
}
