//! [`Opens`]: who is told of each open of a secret's file.

use async_trait::async_trait;

/// An open that succeeded.
pub struct Opening {
    /// `create`, `read`, `write` or `read-write`.
    pub operation: &'static str,
    /// The path within the mount; `None` for a file that has lost its name.
    pub path: Option<String>,
    /// The user.
    pub uid: u32,
    /// The thread, which is not the process.
    pub tid: u32,
}

/// Is told of opens.
#[async_trait]
pub trait Opens: Send + Sync {
    /// Takes note of an open. It is answered when this returns.
    async fn opened(&self, opening: Opening);
}
