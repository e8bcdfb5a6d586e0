//! The binary with a configuration, over the real engines that `scripts/engines` runs: checks, routing, fallback.

mod check;
mod proxy;
mod routing;
mod world;
