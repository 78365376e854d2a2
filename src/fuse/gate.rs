//! [`Gate`]: what stands in front of every call.

/// Lets calls in until the session is locked.
pub trait Gate: Send + Sync {
    /// Whether a call may go on; false is answered with ENODEV. `activity` says that it is an
    /// access to a secret, which puts off the idle lock.
    fn enter(&self, activity: bool) -> bool;
}
