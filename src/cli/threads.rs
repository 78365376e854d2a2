//! The threads that a command's waiting is done on.

use super::exit::{Exit, Failure};
use crate::told;
use std::io;
use tokio::runtime::{Builder, Runtime};

/// A runtime with as many threads as the machine has processors.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| none(&error))
}

/// Why there are none.
pub(super) fn none(error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("no threads can be had: {}", told::system(error)),
    )
}
